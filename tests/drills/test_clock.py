"""The clock goes on: whatever task fails, whatever time its host believes it is."""

import datetime as dt
import glob
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from django.db import connection

from delivery.models import Push, Wave
from tests import make
from tests.delivery.sending import phones, planned, reachable, states
from tests.drills.books import assert_books_balance, is_over
from tests.drills.processes import ROOT, wait_for

pytestmark = pytest.mark.slow


@contextmanager
def missing(table):
    """The table is gone, for whoever asks for it."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_gone")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table}_gone RENAME TO {table}")


def test_a_task_whose_statement_fails_each_time_keeps_no_other_task_back(processes, push_service, start_at):
    with missing("campaigns_campaign"):
        processes.clock()
        processes.worker()
        waves = [planned(reachable(push_service, 20, first=20 * n), now=start_at) for n in range(2)]
        wait_for(lambda: is_over(*waves))
        # Whoever finds that they are over is the sweep, further down in the clock's table.
        wait_for(lambda: not Wave.objects.exclude(state=Wave.State.FINISHED).exists())
    assert [states(wave) for wave in waves] == [{"sent": 20}] * 2


def test_a_wave_that_cannot_be_planned_keeps_no_other_wave_back(processes, push_service, start_at):
    people = reachable(push_service, 20)
    version = make.version(title="News", body="for all")
    broken = make.wave(
        origin="campaign:9999999", state=Wave.State.PLANNING, planned_at=None, due_at=make.NOW, wave_on=start_at.date()
    )
    campaign = make.scheduled(make.segment({"everyone": True}), version, at=start_at)
    processes.clock()
    processes.worker()
    wait_for(lambda: Wave.objects.filter(origin=campaign.origin, state=Wave.State.FINISHED).exists())
    assert states(Wave.objects.get(origin=campaign.origin)) == {"sent": len(people)}
    broken.refresh_from_db()
    assert broken.state == Wave.State.PLANNING


@pytest.fixture
def hosts_clock(processes, tmp_path):
    """Sets by how many seconds the clock of the processes' host is wrong, from now on."""
    library = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)
    if library is None:
        pytest.skip("libfaketime is not installed")
    said = tmp_path / "faketime"

    def wrong_by(seconds: int) -> None:
        (tmp_path / "next").write_text(f"{seconds:+d}")
        (tmp_path / "next").replace(said)

    wrong_by(0)
    processes.environment |= {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(said),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    return wrong_by


@pytest.mark.parametrize(("seconds", "says"), [(3600, "3600 s ahead of"), (-3600, "3600 s behind"), (0, "no issues")])
def test_a_host_whose_clock_is_wrong_is_told_by_check_and_by_its_home_page(processes, hosts_clock, seconds, says):
    """D19."""
    hosts_clock(seconds)
    check = told(processes, "check", "--database", "default")
    assert says in check
    home = told(processes, "shell", "-c", "from console.dashboard import *; print(troubles(now=timezone.now()))")
    assert (f"This server's clock is {says} the database's" in home) == bool(seconds)


def told(processes, *arguments):
    """What a command says on this host."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], env=processes.environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.on_demand
def test_hosts_whose_clock_jumps_an_hour_send_nothing_early_late_or_twice(
    processes, push_service, fcm_service, apns_service, certificate, start_at, hosts_clock
):
    """D19. The gateways believe the real time: an access token that is signed by another is refused."""
    make.fcm_credential(), make.apns_credential()
    processes.environment |= {
        "HEED_FCM_ORIGIN": fcm_service.origin,
        "HEED_FCM_TOKEN_ORIGIN": fcm_service.origin,
        "HEED_APNS_ORIGIN": apns_service.origin,
        "HEED_CA_FILE": str(certificate / "ca.pem"),
    }
    version = make.version(title="News", body="for all")
    reachable(push_service, 30), phones(30, "fcm"), phones(30, "apns", app=make.APP)
    services = [push_service, fcm_service, apns_service]
    everybody = make.segment({"everyone": True})
    push_service.control(scripts={"3-device": ["500", "201"], "4-device": ["429:5", "201"]})
    processes.clock()
    processes.worker(), processes.worker()
    waves = []
    for seconds in (3600, -3600, 86_400, 0):
        hosts_clock(seconds)
        starts = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=4)
        campaign = make.scheduled(everybody, version, at=starts)
        time.sleep(3.5)
        assert not Wave.objects.filter(origin=campaign.origin).exists(), seconds
        wait_for(lambda: Wave.objects.filter(origin=campaign.origin, state="finished").exists())  # noqa: B023
        waves.append(Wave.objects.get(origin=campaign.origin))
        assert states(waves[-1]) == {"sent": 90}, seconds
        assert Push.objects.filter(wave=waves[-1]).order_by("intent_at").first().intent_at >= starts
    assert_books_balance(waves, 4 * 90, *services)
    assert len(fcm_service.mints) == 1 and "error" not in fcm_service.mints[0]
