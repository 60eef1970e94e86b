"""PostgreSQL goes away in the middle of a batch and comes back: nobody has to lend a hand."""

import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
from django.db import DatabaseError, connection

from delivery.models import Message
from tests.delivery.sending import planned, reachable
from tests.drills import servers
from tests.drills.books import assert_books_balance, is_over
from tests.drills.conftest import started
from tests.drills.processes import wait_for

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restarted_database_costs_a_micro_batch_of_each_worker(
    own_processes, own_servers, push_service, start_at, mode
):
    """D6."""
    count, micro_batch, restarts = 1500, 16, 3
    settings = {"HEED_MICRO_BATCH": str(micro_batch), "HEED_LEASE_SECONDS": "10"}
    push_service.control(delay=0.02)
    wave = planned(reachable(push_service, count), now=start_at)
    own_processes.clock()
    workers = [own_processes.worker(**settings) for _ in range(2)]
    for _ in range(restarts):
        seen = len(push_service.requests)
        wait_for(lambda: len(push_service.requests) > seen + 50)  # noqa: B023
        own_servers.restart_postgres(mode)
    push_service.control(delay=0)
    wait_for(lambda: asked(is_over, wave), seconds=60)
    assert all(worker.poll() is None for worker in workers), "they have reconnected by themselves"
    counted = assert_books_balance(wave, count, push_service)
    unknown = counted["unknown(worker_lost)"]
    assert unknown <= micro_batch * len(workers) * restarts
    assert counted["sent"] == count - unknown
    assert not Message.objects.filter(crashes__gt=0).exists(), "what was claimed was given back, not left to its lease"


@pytest.fixture
def small_disk():
    """A folder on a disk of its own, of 400 MB."""
    folder = Path(tempfile.mkdtemp(prefix="heed-drill-", dir="/tmp"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400m", "none", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"no disk of its own: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
    folder.rmdir()


@pytest.mark.on_demand
def test_a_disk_that_is_full_stops_the_sending_and_nothing_goes_twice_when_there_is_room_again(
    small_disk, django_db_blocker, push_service, process_environment, start_at
):
    """D21. PostgreSQL cannot write its log: it ends, and somebody starts it when there is room."""
    count, micro_batch, workers = 1500, 16, 2
    filler = small_disk / "filler"
    push_service.control(delay=0.03)
    with (
        django_db_blocker.unblock(),
        servers.started(small_disk) as own,
        started(process_environment | own.environment) as processes,
    ):
        wave = planned(reachable(push_service, count), now=start_at)
        processes.clock()
        for _ in range(workers):
            processes.worker(HEED_MICRO_BATCH=str(micro_batch), HEED_LEASE_SECONDS="10")
        wait_for(lambda: len(push_service.requests) > 100)
        fill(filler)
        with pytest.raises(DatabaseError):
            use_up_the_log()
        connection.close()
        wait_for(lambda: stands_still(push_service))
        assert len(push_service.requests) < count
        filler.unlink()
        push_service.control(delay=0)
        own.start_postgres_again()
        wait_for(lambda: asked(is_over, wave), seconds=60)
        assert all(process.poll() is None for process in processes.running)
        counted = assert_books_balance(wave, count, push_service)
        assert counted["unknown(worker_lost)"] <= micro_batch * workers
        assert counted["sent"] == count - counted["unknown(worker_lost)"]


def use_up_the_log():
    """What PostgreSQL had put by of its log is used up sooner so."""
    for _ in range(50):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_switch_wal(), pg_logical_emit_message(true, 'drill', repeat('x', 99999))")


def fill(filler):
    """Until nothing more fits."""
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 65_536)


def stands_still(service):
    """Whether nothing has come for two seconds."""
    before = len(service.requests)
    time.sleep(2)
    return len(service.requests) == before


def asked(question, *arguments):
    """The answer, or None while the database is away."""
    try:
        return question(*arguments)
    except DatabaseError:
        connection.close()
        return None
