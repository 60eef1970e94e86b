"""What is said many times at once has its effect once."""

import datetime as dt
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from audiences import upkeep
from audiences.ingest import accept
from audiences.models import Event, Profile
from console.api.keys import create_key
from delivery.models import Message
from tests import make
from tests.console.test_api import caller
from tests.console.test_tracking import post
from tests.delivery.sending import subscribed
from tests.drills.processes import wait_for

pytestmark = pytest.mark.slow
TIMES = 50


def at_once(work):
    """What each of fifty calls returned, eight at a time, each over a connection of its own."""

    def run(number):
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(run, range(TIMES)))


def test_an_event_that_is_delivered_fifty_times_at_once_and_again_after_six_days_is_one(processes, start_at):
    """D18, the event: of somebody who was not known before, too."""
    source = make.source("server", key="server-key")
    call = {"type": "track", "userId": "ada", "event": "Paid", "messageId": "m-1", "timestamp": start_at.isoformat()}
    answers = at_once(lambda _: post("/v1/batch", {"batch": [call]}).status_code)
    assert set(answers) == {200}
    assert (Event.objects.count(), Profile.objects.count()) == (1, 1)
    later = start_at + dt.timedelta(days=6)
    upkeep.drop_seen_calls(now=later)
    again = accept([call], source=source, now=later)
    assert (again.stored, again.repeated) == (0, 1)
    assert Event.objects.count() == 1


def test_a_message_that_is_posted_fifty_times_at_once_is_one_push(processes, redis_server, push_service):
    """D18, the push: each repeat is answered as the first was, or told that the first is under way."""
    subscribed(push_service, [make.profile("ada")])
    api = caller(create_key("Shop", ["send"])[1])
    hello = {"to": ["ada"], "content": {"title": "Hello"}}
    processes.clock()
    processes.worker()
    answers = at_once(lambda _: api("post", "/api/messages", hello, **{"Idempotency-Key": "order-17"}))
    codes = Counter(answer.status_code for answer in answers)
    assert set(codes) <= {202, 409} and codes[202] >= 1
    assert len({answer.content for answer in answers if answer.status_code == 202}) == 1
    wait_for(lambda: Message.objects.filter(state="sent").exists())
    warm = api("post", "/api/messages", hello, **{"Idempotency-Key": "order-18"})
    assert warm.status_code == 202
    wait_for(lambda: Message.objects.filter(state="sent").count() == 2)
    assert len(push_service.requests) == Message.objects.count() == 2
