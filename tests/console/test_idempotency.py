"""A post with an Idempotency-Key has its effect once, and one answer."""

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction

from audiences.models import ConsentEntry, Event
from console.api import idempotency
from console.api.keys import create_key
from console.models import IdempotentAnswer
from delivery.models import Message, Send
from tests import make
from tests.console.test_api import caller

pytestmark = pytest.mark.django_db
HELLO = {"to": ["ada"], "content": {"title": "Hello"}}


@pytest.fixture
def api(redis_server):
    return caller(create_key("Shop", ["admin"])[1])


def test_the_same_post_again_is_answered_alike_and_has_no_second_effect(api):
    make.profile("ada")
    first = api("post", "/api/messages", HELLO, **{"Idempotency-Key": "order-17"})
    assert (first.status_code, first.headers.get("Idempotent-Replayed")) == (202, None)
    # The same body in another order of its fields.
    again = api("post", "/api/messages", dict(reversed(HELLO.items())), **{"Idempotency-Key": "order-17"})
    assert (again.status_code, again.content) == (202, first.content)
    assert again["Idempotent-Replayed"] == "true"
    assert Message.objects.count() == Send.objects.count() == 1


def test_without_a_key_each_post_counts(api):
    make.profile("ada")
    for _ in range(2):
        api("post", "/api/messages", HELLO)
    assert Send.objects.count() == 2
    assert not IdempotentAnswer.objects.exists()


def test_another_body_under_the_same_key_is_refused(api):
    make.profile("ada")
    api("post", "/api/messages", HELLO, **{"Idempotency-Key": "k"})
    other = api("post", "/api/messages", HELLO | {"expires_in": 60}, **{"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert Send.objects.count() == 1


def test_a_key_counts_for_one_api_key_and_endpoint(api, redis_server):
    make.profile("ada")
    api("post", "/api/messages", HELLO, **{"Idempotency-Key": "k"})
    other = caller(create_key("Other", ["admin"])[1])
    assert "Idempotent-Replayed" not in other("post", "/api/messages", HELLO, **{"Idempotency-Key": "k"})
    event = {"events": [{"external_id": "ada", "event": "Paid"}]}
    assert api("post", "/api/events", event, **{"Idempotency-Key": "k"}).status_code == 200
    assert Send.objects.count() == 2


def test_events_and_choices_can_be_repeated_too(api):
    make.profile("ada")
    event = {"events": [{"external_id": "ada", "event": "Paid"}]}
    choice = {"external_id": "ada", "decision": "out", "source": "call"}
    for _ in range(2):
        events = api("post", "/api/events", event, **{"Idempotency-Key": "e"})
        choices = api("post", "/api/choices", choice, **{"Idempotency-Key": "c"})
    assert (events["Idempotent-Replayed"], choices["Idempotent-Replayed"]) == ("true", "true")
    assert (Event.objects.count(), ConsentEntry.objects.count()) == (1, 1)


def test_a_failure_leaves_nothing_behind_and_the_key_free(api):
    assert api("post", "/api/messages", HELLO, **{"Idempotency-Key": "k"}).status_code == 422
    assert api("post", "/api/messages", {"to": 3}, **{"Idempotency-Key": "k"}).status_code == 422
    assert not IdempotentAnswer.objects.exists()
    make.profile("ada")
    assert api("post", "/api/messages", HELLO, **{"Idempotency-Key": "k"}).status_code == 202


@pytest.mark.parametrize(("key", "status"), [("", 400), ("x" * 256, 400), ("x" * 255, 202)])
def test_a_key_has_1_to_255_characters(api, key, status):
    make.profile("ada")
    assert api("post", "/api/messages", HELLO, **{"Idempotency-Key": key}).status_code == status


@pytest.mark.django_db(transaction=True)
def test_a_post_that_is_still_under_way_is_409(api):
    make.profile("ada")
    held, done = threading.Event(), threading.Event()
    scope = (caller_key().pk, "POST /api/messages", "k")

    def hold():
        with transaction.atomic():
            assert idempotency._is_first(scope)
            held.set()
            done.wait(20)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(20)
        busy = api("post", "/api/messages", HELLO, **{"Idempotency-Key": "k"})
        assert (busy.status_code, busy.json()["code"], busy["Retry-After"]) == (409, "in_flight", "1")
    finally:
        done.set()
        thread.join()
    assert api("post", "/api/messages", HELLO, **{"Idempotency-Key": "k"}).status_code == 202
    assert Send.objects.count() == 1


def caller_key():
    from console.models import ApiKey

    return ApiKey.objects.get()


@pytest.mark.django_db(transaction=True)
def test_fifty_identical_posts_at_once_make_exactly_one_effect(api):
    make.profile("ada")
    gate = threading.Barrier(50)

    def post(_):
        gate.wait(30)
        try:
            return api("post", "/api/messages", HELLO, **{"Idempotency-Key": "order-17"})
        finally:
            connections.close_all()

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(post, range(50)))
    assert Send.objects.count() == Message.objects.count() == 1
    fresh = [one for one in answers if one.status_code == 202 and "Idempotent-Replayed" not in one]
    assert len(fresh) == 1
    assert {one.status_code for one in answers} <= {202, 409}
    assert {one.content for one in answers if one.status_code == 202} == {fresh[0].content}


def test_answers_are_forgotten_after_thirty_days(api, real_now):
    make.profile("ada")
    for number in range(3):
        api("post", "/api/messages", HELLO, **{"Idempotency-Key": f"k-{number}"})
    assert idempotency.drop_old(now=real_now + dt.timedelta(days=29)) == 0
    assert idempotency.drop_old(now=real_now + dt.timedelta(days=31)) == 3
