"""Push services that go wrong as a whole: what real workers and the clock make of it."""

import datetime as dt
import time

import pytest
from django.db.models import Avg

from audiences.models import Device
from delivery import holds, losses
from delivery.models import Hold, Loss, Message, Wave
from delivery.models.credential import BROKEN
from delivery.restore import restore, set_aside
from tests.delivery.sending import planned, reachable, states
from tests.drills.books import doubles, is_over
from tests.drills.processes import wait_for
from tests.gateways.webpush import PushService

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
    # On a busy machine the last worker may still be at it when its lease has ended.
    wait_for(lambda: Device.objects.filter(quarantined_at__isnull=False).count() >= losses.MOST)
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
    assert doubles(push_service) == []


def test_a_storm_of_errors_costs_few_attempts_and_no_other_push_service(
    processes, push_service, start_at, tmp_path, settings
):
    """D7: one push service fails wholly, then by half, then recovers; another one is asked all the while."""
    other = PushService(tmp_path / "other.log")
    settings.HEED_PUSH_ORIGINS = (push_service.origin, other.origin)
    processes.environment["HEED_PUSH_ORIGINS"] = ",".join(settings.HEED_PUSH_ORIGINS)
    try:
        push_service.control(default="500")
        stormy = planned(reachable(push_service, 3000), now=start_at)
        calm = planned(reachable(other, 2000, first=3000), now=start_at)
        processes.clock()
        for _ in range(2):
            processes.worker()
        wait_for(lambda: Hold.objects.filter(reason=BROKEN).exists())
        wait_for(lambda: is_over(calm), seconds=60)
        assert states(calm) == {"sent": 2000}
        time.sleep(5)
        tried = len(push_service.requests)
        assert tried < 400, "whole batches are not thrown at it"
        assert Message.objects.filter(wave=stormy).aggregate(n=Avg("fence"))["n"] < 4, "they are left alone meanwhile"
        push_service.control(default="201|500")
        time.sleep(8)
        push_service.control(default="201")
        wait_for(lambda: is_over(stormy), seconds=100)
    finally:
        other.stop()
    assert states(stormy) == {"sent": 3000}
    assert len(push_service.requests) <= 1.5 * 3000
    assert doubles(push_service) == []
    assert not Hold.objects.exists()


@pytest.mark.on_demand
def test_other_push_services_keep_their_pace_while_one_fails(processes, push_service, start_at, tmp_path, settings):
    """D7: 90 % of it. They take their time to answer, so that it is not this machine that sets the pace."""
    count = 4000
    other = PushService(tmp_path / "other.log")
    settings.HEED_PUSH_ORIGINS = (push_service.origin, other.origin)
    processes.environment["HEED_PUSH_ORIGINS"] = ",".join(settings.HEED_PUSH_ORIGINS)
    push_service.control(default="500")
    other.control(delay=0.05)
    try:
        processes.clock()
        for _ in range(2):
            processes.worker()
        alone = planned(reachable(other, count), now=start_at)
        wait_for(lambda: is_over(alone), seconds=120)
        usual = pace(other)
        other.forget()
        planned(reachable(push_service, 3000, first=count), now=start_at)
        beside = planned(reachable(other, count, first=2 * count), now=start_at)
        wait_for(lambda: is_over(beside), seconds=120)
        assert Hold.objects.filter(reason=BROKEN).exists()
        assert pace(other) >= 0.9 * usual
    finally:
        other.stop()


def pace(service):
    """Pushes a second, from the first to the last."""
    times = [request["at"] for request in service.requests]
    return len(times) / (max(times) - min(times))
