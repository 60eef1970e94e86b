"""The invariants in a storm: people come and go, merge and vanish, gateways stumble, processes die or sleep through their
lease, all at once."""

import datetime as dt
import os
import random
import time

import pytest

from audiences.models import Profile
from delivery.models import Message, Push, Wave
from tests import make
from tests.delivery.sending import planned
from tests.drills import journal
from tests.drills.books import MAY_HAVE_ARRIVED, assert_books_balance, is_over, push_id
from tests.drills.people import Crowd, Handset
from tests.drills.processes import wait_for

pytestmark = pytest.mark.slow
SECONDS = float(os.environ.get("HEED_DRILL_SCALE", "1")) * 20
PEOPLE, EACH_GATEWAY, EACH_WAVE = 300, 120, 100
MICRO_BATCH, WORKERS = 8, 3
STUMBLES = {
    "webpush": ["500", "503:1", "429:1", "410", "404", "reset-after", "close-after"],
    "fcm": ["500:INTERNAL", "503:UNAVAILABLE", "429:1", "404:UNREGISTERED", "reset-stream", "refused-stream"],
    "apns": ["500:InternalServerError", "503:ServiceUnavailable", "410:Unregistered", "reset-stream", "refused-stream"],
}


def test_whatever_happens_at_once_nobody_is_pushed_to_who_left_and_nothing_goes_twice(
    processes, redis_server, push_service, fcm_service, apns_service, certificate, start_at
):
    services = {"webpush": push_service, "fcm": fcm_service, "apns": apns_service}
    make.fcm_credential(), make.apns_credential()
    processes.environment |= {
        "HEED_FCM_ORIGIN": fcm_service.origin,
        "HEED_FCM_TOKEN_ORIGIN": fcm_service.origin,
        "HEED_APNS_ORIGIN": apns_service.origin,
        "HEED_CA_FILE": str(certificate / "ca.pem"),
        "HEED_MICRO_BATCH": str(MICRO_BATCH),
        "HEED_LEASE_SECONDS": "3",
        "HEED_TIME_SCALE": "0.002",
    }
    for name, service in services.items():
        fine = {"webpush": "201"}.get(name, "200")
        service.control(default="|".join([fine] * 54 + STUMBLES[name]), delay=0.02)
    topic = make.topic("news")
    handsets = [Handset(name, service, n) for name, service in services.items() for n in range(EACH_GATEWAY)]
    seed = int(os.environ.get("HEED_DRILL_SEED", "0")) or random.randrange(2**32)
    crowd = Crowd([f"person-{n}" for n in range(PEOPLE)], handsets, topic=topic, seed=seed)
    crowd.arrive()
    draw = random.Random(seed)
    everybody = make.segment({"everyone": True})
    waves, campaigns, count = [], [], 0
    with journal.kept():
        clock = processes.clock()
        workers = [processes.worker() for _ in range(WORKERS)]
        wait_for(lambda: all(worker.poll() is None for worker in workers))
        sleeper, wakes, hits = workers[1], 0.0, 0
        crowd.start(3, pause=0.06)
        try:
            ends = time.monotonic() + SECONDS
            # Longer where the machine is so busy that those who were killed had hardly begun.
            while time.monotonic() < ends + (0 if hits >= 3 else SECONDS):
                if draw.random() < 0.2:
                    campaigns.append(launched(everybody, draw.choice([None, topic])))
                else:
                    people = draw.sample(list(Profile.objects.order_by("pk")), EACH_WAVE)
                    kind = draw.choice([{}, {}, {"must_arrive": True}, {"message_class": "transactional"}])
                    waves.append(planned(people, now=start_at, topic=draw.choice([None, topic]), **kind))
                    count += len(people)
                time.sleep(draw.uniform(0.2, 0.6))
                if draw.random() < 0.4:
                    posting = who_is_posting(workers)
                    hits += len(posting) > 0
                    victim = [*posting, *workers][0]
                    processes.kill(victim)
                    workers[workers.index(victim)] = processes.worker()
                elif draw.random() < 0.1:
                    processes.kill(clock)
                    clock = processes.clock()
                elif draw.random() < 0.1:
                    redis_server.flushdb()
                if time.monotonic() > wakes:
                    processes.thaw(sleeper)
                    sleeper, wakes = workers[1], time.monotonic() + 5
                    processes.freeze(sleeper)
        finally:
            processes.thaw(sleeper)
            crowd.stop()
        for name, service in services.items():
            service.control(default={"webpush": "201"}.get(name, "200"), delay=0)
        wait_for(lambda: Wave.objects.filter(origin__in=campaigns, planned_at__isnull=False).count() == len(campaigns))
        for wave in Wave.objects.filter(origin__in=campaigns):
            waves.append(wave)
            count += wave.planned_count
        wait_for(lambda: is_over(*waves), seconds=60)
        assert crowd.failures == [], f"seed {seed}"
        assert journal.faults() == [], f"seed {seed}"
        assert journal.posts_without_intent(*services.values()) == [], f"seed {seed}"
    counted = assert_books_balance(waves, count, *services.values())
    # It was a storm: each of these happened, and much of what was planned went out all the same.
    assert counted["sent"] > count / 8, counted
    assert set(crowd.done) >= {"leave", "sign_in", "sign_out", "change_address", "become_one", "be_erased"}, crowd.done
    assert {"opted_out", "topic_opted_out", "erased"} <= set(
        Message.objects.filter(wave__in=waves).values_list("reason", flat=True)
    )
    assert Push.objects.filter(wave__in=waves, reason="worker_lost").exists()
    assert_copies_replace(*services.values())
    for service in services.values():
        assert {request["step"] for request in service.requests} & set(MAY_HAVE_ARRIVED)
    assert Wave.objects.filter(pk__in=[wave.pk for wave in waves], state="paused").count() == 0


def who_is_posting(workers):
    """Those that stand between an intent and its record."""
    owners = Message.objects.filter(state="pushing").values_list("owner", flat=True)
    pids = {int(owner.split(":")[1]) for owner in owners}
    return [worker for worker in workers if worker.pid in pids]


def launched(segment, topic):
    """A campaign to this segment, now, through the clock and the planner. Returns its waves' origin."""
    version = make.version(title="News", body="of today")
    at = dt.datetime.now(dt.UTC)
    return make.scheduled(segment, version, at=at, control_percent=10, topic=topic).origin


def assert_copies_replace(*services):
    """What was posted again, for it must arrive, takes the place of the first: with the same tag."""
    tags = {}
    for service in services:
        for request in service.requests:
            payload = request["payload"]
            tags.setdefault(push_id(request), set()).add(payload.get("data", payload).get("tag", payload.get("tag")))
    assert [push for push, tag in tags.items() if len(tag) > 1] == []
