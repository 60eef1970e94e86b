"""Processes that sleep through their lease and wake up again: what they held belongs to others by then."""

import datetime as dt

import pytest
from django.db import connection, transaction

from console.clock import LOCK
from delivery.models import Message, Push, Wave
from tests import make
from tests.delivery.sending import phones, planned, reachable, states
from tests.drills.books import assert_books_balance, is_over
from tests.drills.processes import wait_for
from tests.drills.races import a_statement_waits_for_a_row

pytestmark = pytest.mark.slow


def test_a_worker_that_slept_through_its_lease_posts_nothing_of_what_it_held(processes, push_service, start_at):
    """D24, in the middle of a wave."""
    count, late = 400, 20
    push_service.control(delay=0.05)
    wave = planned(reachable(push_service, count), now=start_at)
    processes.clock()
    sleeper = processes.worker(HEED_MICRO_BATCH="16")
    wait_for(lambda: len(push_service.requests) > 20, every=0.001)
    processes.freeze(sleeper)
    push_service.control(delay=0)
    other = processes.worker()
    wait_for(lambda: is_over(wave), seconds=60)
    stood = len(push_service.requests)
    assert stood <= count
    processes.kill(other)
    # What comes now is carried by the one that woke: then it has also been through all it held.
    later = planned(reachable(push_service, late, first=count), now=start_at)
    processes.thaw(sleeper)
    wait_for(lambda: is_over(later), seconds=60)
    assert states(later) == {"sent": late}
    # One may slip out: between the look at the clock and the kernel's send lies an instant to fall asleep in.
    assert len(push_service.requests) - stood - late in (0, 1)
    counted = assert_books_balance([wave, later], count + late, push_service)
    assert counted["unknown(worker_lost)"] + counted["sent"] == count + late
    assert counted["unknown(worker_lost)"] <= 16


def test_a_worker_that_sleeps_before_it_hears_of_its_intent_posts_nothing(processes, push_service, start_at):
    """D24, at the worst moment: the intent is committed, its answer is on the way, and the lease ends meanwhile."""
    people = reachable(push_service, 10)
    wave = planned(people, now=start_at)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM audiences_standing WHERE profile_id = %s FOR UPDATE", [people[0].pk])
        processes.clock()
        sleeper = processes.worker()
        wait_for(a_statement_waits_for_a_row)
        processes.freeze(sleeper)
    wait_for(lambda: Push.objects.filter(wave=wave).count() == 10)
    wait_for(lambda: states(wave) == {"unknown(worker_lost)": 10})
    later = planned(reachable(push_service, 1, first=10), now=start_at)
    processes.thaw(sleeper)
    wait_for(lambda: is_over(later), seconds=60)
    assert len(push_service.requests) == 1
    assert Message.objects.filter(wave=wave, state="unknown").count() == 10


@pytest.mark.on_demand
def test_a_worker_that_sleeps_while_it_mints_a_token_takes_nothing_from_the_others(
    processes, push_service, fcm_service, certificate, start_at
):
    """D24: it holds the token's row. The others leave FCM alone meanwhile, and lose no push and no attempt."""
    make.fcm_credential()
    fcm_service.control(scripts={"mint": ["silence", "200"]})
    processes.environment |= {
        "HEED_FCM_ORIGIN": fcm_service.origin,
        "HEED_FCM_TOKEN_ORIGIN": fcm_service.origin,
        "HEED_CA_FILE": str(certificate / "ca.pem"),
        "HEED_LEASE_SECONDS": "20",
    }
    processes.clock()
    sleeper = processes.worker()
    first = planned(phones(1, "fcm"), now=start_at)
    wait_for(lambda: fcm_service.mints, every=0.01)
    processes.freeze(sleeper)
    processes.worker()
    wave = planned([*phones(20, "fcm", first=1), *reachable(push_service, 20)], now=start_at)
    wait_for(lambda: len(push_service.requests) == 20)
    assert fcm_service.requests == []
    processes.thaw(sleeper)
    wait_for(lambda: is_over(first, wave), seconds=60)
    assert states(wave) == {"sent": 40}
    assert set(Push.objects.filter(wave=wave).values_list("attempt", flat=True)) == {1}
    assert_books_balance([first, wave], 41, push_service, fcm_service)


def holder_of_the_clock():
    """The backend that serves the clock which ticks, or None."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE datname = current_database() AND locktype = 'advisory' AND objid = %s AND granted",
            [LOCK],
        )
        return (cursor.fetchone() or [None])[0]


def test_of_two_clocks_one_ticks_and_a_frozen_one_does_not_stop_the_site(processes, push_service, start_at):
    """D12: each campaign opens once, whoever freezes or wakes meanwhile."""
    people = reachable(push_service, 20)
    version = make.version(title="News", body="for all")
    everybody = make.segment({"everyone": True})
    campaigns = []

    def launched(name, seconds):
        at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
        campaigns.append(make.scheduled(everybody, version, at=at, name=name))

    first = processes.clock()
    wait_for(holder_of_the_clock)
    backend = holder_of_the_clock()
    second = processes.clock()
    processes.worker()
    for n in range(6):
        launched(f"before {n}", n / 2)
    wait_for(lambda: Wave.objects.exists())
    processes.freeze(first)
    for n in range(4):
        launched(f"frozen {n}", 0)
    wait_for(lambda: holder_of_the_clock() not in (None, backend))
    wait_for(lambda: Wave.objects.count() == len(campaigns))
    processes.thaw(first)
    for n in range(4):
        launched(f"awake {n}", n / 2)
    wait_for(lambda: Wave.objects.filter(finished_at__isnull=False).count() == len(campaigns), seconds=60)
    assert first.poll() is None and second.poll() is None
    assert sorted(Wave.objects.values_list("origin", flat=True)) == sorted(one.origin for one in campaigns)
    assert_books_balance(list(Wave.objects.all()), len(campaigns) * len(people), push_service)
