"""Workers whose time is up, that do many jobs, or are replaced by newer ones while a wave goes out."""

import signal

import pytest
from django.db import connection

from delivery.models import Push
from tests import make
from tests.delivery.sending import phones, planned, reachable, states
from tests.drills.books import assert_books_balance, is_over
from tests.drills.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.on_demand]


@pytest.fixture
def apps(processes, apns_service, certificate):
    """The processes push over TLS and HTTP/2 too."""
    make.apns_credential()
    processes.environment |= {
        "HEED_APNS_ORIGIN": apns_service.origin,
        "HEED_CA_FILE": str(certificate / "ca.pem"),
    }
    return apns_service


def test_jobs_whose_time_is_up_at_any_point_leave_a_ledger_that_adds_up(processes, push_service, apps, start_at):
    """D15: fifty alarms, wherever the worker is just then."""
    count, micro_batch, alarms = 1000, 8, 50
    push_service.control(delay=0.03)
    apps.control(delay=0.03)
    processes.clock()
    alarmed = {"HEED_MICRO_BATCH": str(micro_batch), "HEED_DRILL_ALARMS": "1.5", "HEED_LEASE_SECONDS": "2"}
    waves = [planned(reachable(push_service, count) + phones(200, "apns", app=make.APP), now=start_at)]
    workers = [processes.supervised(**alarmed) for _ in range(2)]
    while sum(worker.restarts for worker in workers) < alarms:
        if is_over(*waves):
            more = reachable(push_service, count, first=count * len(waves))
            waves.append(planned(more, now=start_at))
        wait_for(lambda: is_over(*waves) or sum(worker.restarts for worker in workers) >= alarms, seconds=240)
    for worker in workers:
        worker.settings.pop("HEED_DRILL_ALARMS")
    wait_for(lambda: is_over(*waves), seconds=120)
    counted = assert_books_balance(waves, count * len(waves) + 200, push_service, apps)
    assert counted["sent"] + counted["unknown(worker_lost)"] + counted["rejected(poison)"] == counted.total()
    assert counted["unknown(worker_lost)"] <= micro_batch * (alarms + len(workers) * 2)


def test_many_jobs_share_one_worker_its_connections_and_its_sessions(processes, push_service, apps, start_at):
    """D16: no process is forked that would share a socket with another."""
    jobs = 200
    (person,) = phones(1, "apns", app=make.APP)
    processes.clock()
    worker = processes.worker()
    first = planned([person, *reachable(push_service, 1)], now=start_at)
    wait_for(lambda: is_over(first))
    before = backends()
    waves = [first]
    for _ in range(jobs):
        waves.append(planned([person], now=start_at))
        wait_for(lambda: is_over(waves[-1]), every=0.02)
    assert backends() == before
    assert worker.poll() is None
    assert {one["connection"] for one in apps.requests} == {apps.requests[0]["connection"]}
    assert_books_balance(waves, jobs + 2, push_service, apps)


def backends():
    """Who is connected to this database beside us, each with when."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid, backend_start FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return set(cursor.fetchall())


def test_workers_replaced_one_by_one_while_a_column_is_added_lose_nothing(processes, push_service, start_at):
    """D22: the new version migrates first, and then the old workers are asked to stop, one after the other."""
    count = 2000
    push_service.control(delay=0.02)
    wave = planned(reachable(push_service, count), now=start_at)
    clock = processes.clock()
    workers = [processes.worker(HEED_MICRO_BATCH="16") for _ in range(3)]
    wait_for(lambda: len(push_service.requests) > 100)
    try:
        with connection.cursor() as cursor:
            for table in ("delivery_message", "delivery_push", "audiences_device"):
                cursor.execute(f"ALTER TABLE {table} ADD COLUMN drill text NOT NULL DEFAULT ''")
        for old in list(workers):
            seen = len(push_service.requests)
            wait_for(lambda: len(push_service.requests) > seen + 30)  # noqa: B023
            workers.append(processes.worker(HEED_MICRO_BATCH="16"))
            processes.tell(old, signal.SIGTERM)
            assert old.wait(timeout=60) == 0
        processes.tell(clock, signal.SIGTERM)
        assert clock.wait(timeout=60) == 0
        processes.clock()
        assert not is_over(wave), "all of this happened while it went out"
        push_service.control(delay=0)
        wait_for(lambda: is_over(wave), seconds=60)
    finally:
        with connection.cursor() as cursor:
            for table in ("delivery_message", "delivery_push", "audiences_device"):
                cursor.execute(f"ALTER TABLE {table} DROP COLUMN drill")
    assert states(wave) == {"sent": count}
    assert not Push.objects.filter(wave=wave, attempt__gt=1).exists()
    assert_books_balance(wave, count, push_service)
