"""Redis only wakes workers: whatever becomes of it, or of a hint in it, PostgreSQL knows what is due."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import redis
from django.conf import settings as site

from console.api.keys import create_key
from console.embedded import Embedded, redis_url
from delivery import tasks
from delivery.lanes import Lane
from tests import make
from tests.console.test_api import caller
from tests.delivery.sending import planned, reachable, states, subscribed
from tests.drills.books import doubles, is_over
from tests.drills.processes import ROOT, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def own_redis(monkeypatch, settings):
    """A Redis of this drill's own; this process gives its hints there."""
    folder = Path(tempfile.mkdtemp(prefix="heed-drill-", dir="/tmp"))
    server = Embedded(folder, durable=False, postgres=False)
    server.start()
    url = redis_url(folder)
    for name in site.RQ_QUEUES:
        monkeypatch.setitem(site.RQ_QUEUES[name], "URL", url)
    settings.REDIS_URL = url
    yield redis.Redis.from_url(url)
    server.stop()
    shutil.rmtree(folder)


def check(url):
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env=os.environ | {"REDIS_URL": url},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("policy", "memory", "code"),
    [("allkeys-lru", "3mb", 1), ("volatile-ttl", "3mb", 1), ("noeviction", "3mb", 0), ("allkeys-lru", "0", 1)],
)
def test_a_redis_that_may_evict_is_refused_at_the_start(own_redis, settings, policy, memory, code):
    """D5. One that is away, as in D3, is waited for."""
    own_redis.config_set("maxmemory", memory)
    own_redis.config_set("maxmemory-policy", policy)
    returned, said = check(settings.REDIS_URL)
    assert returned == code
    assert ("maxmemory-policy is " + policy in said) == bool(code)


@pytest.mark.on_demand
def test_a_redis_without_memory_takes_nothing_away_from_what_is_launched(
    processes, own_redis, settings, push_service, start_at
):
    """D5: what programs send is taken with 202, and goes out as soon as there is room for a hint."""
    own_redis.config_set("maxmemory", "1")
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        own_redis.set("x", "y")
    processes.clock(REDIS_URL=settings.REDIS_URL)
    processes.worker(REDIS_URL=settings.REDIS_URL)
    people = reachable(push_service, 50)
    subscribed(push_service, [make.profile("ada")], first=50)
    _, key = create_key("Shop", ["send"])
    sent = caller(key)("post", "/api/messages", {"to": "ada", "content": {"title": "Hello"}})
    assert sent.status_code == 202
    wave = planned(people, now=start_at)
    tasks.hint()
    time.sleep(3)
    assert push_service.requests == []
    own_redis.config_set("maxmemory", "0")
    wait_for(lambda: len(push_service.requests) == 51, seconds=60)
    wait_for(lambda: is_over(wave))
    assert states(wave) == {"sent": 50}
    assert doubles(push_service) == []


@pytest.mark.on_demand
def test_a_redis_that_takes_no_connections_costs_no_message(processes, own_redis, settings, push_service, start_at):
    """D14: the worker has its hint, and is then refused, as is the clock that would give another."""
    count = 600
    push_service.control(delay=0.02)
    processes.clock(REDIS_URL=settings.REDIS_URL)
    worker = processes.worker(REDIS_URL=settings.REDIS_URL)
    wave = planned(reachable(push_service, count), now=start_at)
    wait_for(lambda: len(push_service.requests) > 20)
    late = planned(reachable(push_service, 50, first=count), now=start_at)
    own_redis.config_set("maxclients", "1")  # this one
    own_redis.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(settings.REDIS_URL).ping()
    push_service.control(delay=0)
    time.sleep(3)
    own_redis.config_set("maxclients", "1000")
    wait_for(lambda: is_over(wave, late), seconds=60)
    assert worker.poll() is None
    assert (states(wave), states(late)) == ({"sent": count}, {"sent": 50})
    assert doubles(push_service) == []


@pytest.mark.on_demand
def test_a_worker_that_is_stopped_with_a_hint_in_its_hand_costs_seconds(processes, push_service, start_at):
    """D13: SIGTERM between taking the job and beginning it."""
    processes.clock()
    stopped = processes.worker(HEED_DRILL_STOPS="1")
    wave = planned(reachable(push_service, 50), now=start_at)
    assert stopped.wait(timeout=30) == 0
    assert push_service.requests == []
    processes.worker()
    wait_for(lambda: push_service.requests, seconds=10, every=0.02)
    warm = planned(reachable(push_service, 1, first=100), now=start_at)
    wait_for(lambda: is_over(wave, warm))
    # The same while another worker is there already.
    stopped = processes.worker(HEED_DRILL_STOPS="1", HEED_WORKERS="1")
    later = planned(reachable(push_service, 50, first=200), now=start_at)
    wait_for(lambda: is_over(later), seconds=10)
    assert (states(wave), states(later)) == ({"sent": 50}, {"sent": 50})
    assert doubles(push_service) == []


def test_a_worker_that_listens_loses_redis_and_costs_no_message(processes, own_redis, settings, push_service, start_at):
    """D14: its ear is cut off; it hears of the next message as if it had just begun, and stops when it is told to."""
    settings.HEED_TRANSACTIONAL_WORKERS = 1
    setting = {"REDIS_URL": settings.REDIS_URL, "HEED_TRANSACTIONAL_WORKERS": "1"}
    processes.clock(**setting)
    worker = processes.start("-m", "tests.drills.worker", "deliver-now", **setting)
    first = planned(reachable(push_service, 1), now=start_at, message_class="transactional")
    wait_for(lambda: own_redis.pubsub_channels("hints:*"), every=0.02)
    own_redis.client_kill_filter(_type="pubsub")
    wait_for(lambda: is_over(first))
    second = planned(reachable(push_service, 1, first=1), now=start_at, message_class="transactional")
    tasks.hint(Lane.NOW)
    wait_for(lambda: is_over(second))
    assert (states(first), states(second)) == ({"sent": 1}, {"sent": 1})
    assert doubles(push_service) == []
    assert worker.poll() is None
    worker.terminate()
    assert worker.wait(timeout=30) == 0
