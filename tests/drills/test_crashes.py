"""Pulling the plug: whatever dies, no device gets a push twice, and every message is accounted for."""

import os
import random
import shutil
import signal
import time

import pytest
import redis
from django.conf import settings as site

from delivery.models import Wave
from tests.delivery.sending import planned, reachable, states
from tests.drills.books import assert_books_balance, doubles, is_over
from tests.drills.processes import wait_for

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("micro_batch", [8, 64])
def test_workers_killed_in_the_middle_lose_nothing_and_double_nothing(processes, push_service, start_at, micro_batch):
    """D1."""
    count, kills = 3000, 12
    push_service.control(delay=0.01)
    wave = planned(reachable(push_service, count), now=start_at)
    processes.clock()
    setting = {"HEED_MICRO_BATCH": str(micro_batch)}
    workers = [processes.worker(**setting), processes.worker(**setting)]
    wait_for(lambda: len(push_service.requests) > 50)
    draw = random.Random(micro_batch)
    for _ in range(kills):
        time.sleep(draw.uniform(0.05, 0.5))
        victim = workers.pop(0)
        processes.kill(victim)
        workers.append(processes.worker(**setting))
    push_service.control(delay=0)
    wait_for(lambda: is_over(wave), seconds=60)
    counted = assert_books_balance(wave, count, push_service)
    unknown = counted.get("unknown(worker_lost)", 0)
    assert unknown <= micro_batch * kills
    assert counted["sent"] == count - unknown


def test_a_worker_whose_supervisor_is_killed_stops_within_a_micro_batch(processes, push_service, start_at):
    """D2."""
    count = 600
    push_service.control(delay=0.05)
    wave = planned(reachable(push_service, count), now=start_at)
    code = (
        "import subprocess, sys, time; "
        "p = subprocess.Popen([sys.executable, '-m', 'tests.drills.worker']); print(p.pid, flush=True); time.sleep(600)"
    )
    supervisor = processes.start("-c", code, HEED_MICRO_BATCH="16")
    clock = processes.clock()
    wait_for(lambda: len(push_service.requests) > 30)
    os.kill(supervisor.pid, signal.SIGKILL)
    time.sleep(1.5)
    stood = len(push_service.requests)
    time.sleep(1.5)
    assert len(push_service.requests) == stood, "the orphan has stopped"
    assert clock.poll() is None
    push_service.control(delay=0)
    processes.worker()
    wait_for(lambda: is_over(wave), seconds=40)
    assert_books_balance(wave, count, push_service)


def test_redis_killed_and_back_is_not_noticed_by_the_ledger(processes, push_service, start_at, tmp_path):
    """D3: SHUTDOWN NOSAVE in the middle of a job; an empty Redis comes back later."""
    import tempfile
    from pathlib import Path

    from console.embedded import Embedded, redis_url

    folder = Path(tempfile.mkdtemp(prefix="heed-drill-", dir="/tmp"))
    own = Embedded(folder, durable=False, postgres=False)
    own.start()
    try:
        url = {"REDIS_URL": redis_url(folder)}
        count = 2000
        push_service.control(delay=0.02)
        wave = planned(reachable(push_service, count), now=start_at)
        processes.clock(**url)
        processes.worker(**url)
        processes.worker(**url)
        wait_for(lambda: len(push_service.requests) > 50)
        try:
            redis.Redis.from_url(redis_url(folder)).shutdown(nosave=True)
        except redis.RedisError:
            pass
        late = planned(reachable(push_service, 200, first=count), now=start_at)
        time.sleep(4)
        own.restart_redis()
        push_service.control(delay=0)
        wait_for(lambda: is_over(wave) and is_over(late), seconds=60)
        assert states(wave) == {"sent": count}
        assert states(late) == {"sent": 200}
        assert doubles(push_service) == []
    finally:
        processes.stop()
        own.stop()
        shutil.rmtree(folder)


def test_a_flushed_redis_costs_seconds_only(processes, push_service, start_at):
    """D4."""
    count = 1500
    push_service.control(delay=0.02)
    wave = planned(reachable(push_service, count), now=start_at)
    processes.clock()
    processes.worker()
    wait_for(lambda: len(push_service.requests) > 50)
    redis.Redis.from_url(site.REDIS_URL).flushdb()
    later = planned(reachable(push_service, 100, first=count), now=start_at)
    push_service.control(delay=0)
    wait_for(lambda: is_over(wave) and is_over(later), seconds=60)
    assert states(wave) == {"sent": count}
    assert states(later) == {"sent": 100}
    assert doubles(push_service) == []


def test_a_wave_whose_hint_was_never_given_starts_within_two_ticks(processes, push_service, start_at):
    """D20: the crash between the commit and the enqueue: no hint at all, only the rows."""
    processes.clock(HEED_TIME_SCALE="1")
    processes.worker()
    warm = planned(reachable(push_service, 1), now=start_at)
    wait_for(lambda: is_over(warm))
    wave = planned(reachable(push_service, 50, first=10), now=start_at)
    began = time.monotonic()
    wait_for(lambda: len(push_service.requests) > 1, every=0.02)
    assert time.monotonic() - began < 4
    wait_for(lambda: is_over(wave))
    assert states(wave) == {"sent": 50}


@pytest.mark.parametrize("target", [Wave.State.STOPPED, Wave.State.PAUSED])
def test_a_wave_halted_in_flight_sends_at_most_one_micro_batch_more(processes, push_service, start_at, target):
    """D23."""
    count, micro_batch, workers = 1000, 16, 2
    push_service.control(delay=0.05)
    wave = planned(reachable(push_service, count), now=start_at)
    processes.clock()
    for _ in range(workers):
        processes.worker(HEED_MICRO_BATCH=str(micro_batch))
    wait_for(lambda: len(push_service.requests) > 40)
    Wave.objects.filter(pk=wave.pk).update(state=target)
    halted = time.monotonic()
    time.sleep(3)
    late = [request for request in push_service.requests if request["at"] > halted]
    assert len(late) <= micro_batch * workers
    if target == Wave.State.STOPPED:
        wait_for(lambda: is_over(wave), seconds=30)
        counted = assert_books_balance(wave, count, push_service)
        assert counted["suppressed(stopped)"] + counted["sent"] == count
    else:
        push_service.control(delay=0)
        Wave.objects.filter(pk=wave.pk).update(state=Wave.State.RUNNING)
        wait_for(lambda: is_over(wave), seconds=40)
        assert states(wave) == {"sent": count}
