"""Push services that go wrong as a whole: what real workers and the clock make of it."""

import datetime as dt

import pytest

from audiences.models import Device
from delivery import holds, losses
from delivery.models import Hold, Loss, Message, Wave
from delivery.restore import restore, set_aside
from tests.delivery.sending import accepted_twice, planned, reachable, states
from tests.drills.processes import wait_for
from tests.drills.test_crashes import is_over

pytestmark = pytest.mark.slow


def test_a_service_that_calls_everybody_gone_costs_nobody(processes, push_service, start_at):
    """D11."""
    count = 1500
    push_service.control(default="410", delay=0.005)
    wave = planned(reachable(push_service, count), now=start_at)
    processes.clock()
    for _ in range(3):
        processes.worker(HEED_MICRO_BATCH="32")
    wait_for(lambda: Wave.objects.get(pk=wave.pk).state == Wave.State.PAUSED)
    wait_for(lambda: not Message.objects.filter(wave=wave, state__in=["claimed", "pushing"]).exists())
    assert Device.objects.filter(quarantined_at__isnull=False).count() == losses.MOST <= 500
    assert Hold.objects.get().reason == "mass_drop"

    push_service.control(default="201", delay=0)
    since = Loss.objects.get().since
    done = restore(set_aside(since=since), since=since, now=dt.datetime.now(dt.UTC))
    assert done.devices == losses.MOST
    assert not Device.objects.filter(quarantined_at__isnull=False).exists()
    holds.resume(Hold.objects.all())
    Wave.objects.filter(pk=wave.pk).update(state=Wave.State.RUNNING)
    wait_for(lambda: is_over(wave), seconds=60)
    assert states(wave) == {"sent": count}
    assert accepted_twice(push_service) == []
