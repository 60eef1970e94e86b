"""Transactional messages while a broadcast is on its way, with real workers."""

import datetime as dt

import psutil
import pytest

from console.models import Heartbeat
from delivery import tasks
from delivery.models import Message
from tests.delivery.sending import planned, reachable, states
from tests.drills.processes import wait_for

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("own_workers", [0, 1])
def test_a_running_broadcast_does_not_delay_a_transactional_message(
    processes, push_service, start_at, settings, own_workers
):
    settings.HEED_TRANSACTIONAL_WORKERS = own_workers
    setting = {"HEED_TRANSACTIONAL_WORKERS": str(own_workers), "HEED_MICRO_BATCH": "16", "HEED_WORKERS": "1"}
    push_service.control(delay=0.05)
    processes.clock(**setting)
    processes.worker(**setting)
    if own_workers:
        processes.start("-m", "tests.drills.worker", "deliver-now", **setting)
    wait_for(lambda: Heartbeat.objects.filter(name__startswith="worker:").count() == 1 + own_workers)
    broadcast = planned(reachable(push_service, 1500), now=start_at)
    wait_for(lambda: len(push_service.requests) > 30)
    people = reachable(push_service, 5, first=2000)
    receipts = []
    for person in people:
        before = len(push_service.requests)
        receipts.append(planned([person], now=dt.datetime.now(dt.UTC), message_class="transactional"))
        tasks.hint()
        wait_for(lambda: Message.objects.filter(wave=receipts[-1], state="sent").exists(), every=0.02)
        # What the broadcast sent meanwhile are a few micro-batches, not its hundreds that were claimed before.
        assert len(push_service.requests) - before < 16 * 8
    assert states(broadcast).get("sent", 0) < 1500
    assert all(states(receipt) == {"sent": 1} for receipt in receipts)


def test_whoever_sends_broadcasts_leaves_the_cores_to_what_is_urgent(processes):
    """Where there are enough cores it changes nothing."""
    settings = {"HEED_TRANSACTIONAL_WORKERS": "1"}
    ordinary, urgent = (
        processes.worker(**settings),
        processes.start("-m", "tests.drills.worker", "deliver-now", **settings),
    )
    wait_for(lambda: Heartbeat.objects.filter(name__startswith="worker:").count() == 2)
    assert psutil.Process(ordinary.pid).nice() > psutil.Process(urgent.pid).nice() == psutil.Process().nice()
