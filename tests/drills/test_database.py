"""PostgreSQL goes away in the middle of a batch and comes back: nobody has to lend a hand."""

import pytest
from django.db import DatabaseError, connection

from delivery.models import Message
from tests.delivery.sending import planned, reachable
from tests.drills.books import assert_books_balance, is_over
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


def asked(question, *arguments):
    """The answer, or None while the database is away."""
    try:
        return question(*arguments)
    except DatabaseError:
        connection.close()
        return None
