"""Batches are posted until they are taken: retried, given up after a day, replayed; and never into the own network."""

import datetime as dt
import re

import pytest

from console.models import WebhookDelivery, WebhookEndpoint
from console.webhooks import endpoints, sending
from console.webhooks.endpoints import InvalidEndpoint
from delivery.http import Client
from tests import make
from tests.delivery.test_http import BAD_URLS

pytestmark = pytest.mark.django_db(transaction=True)
DAY = dt.timedelta(days=1)


def a_batch(endpoint, now):
    return endpoints.send_test(endpoint, now=now)


def states():
    return [one.state for one in WebhookDelivery.objects.order_by("created_at", "pk")]


def test_what_is_not_taken_is_posted_again_later_and_later_as_the_same_batch(receiver, listening, tell, real_now):
    endpoint, _ = listening()
    receiver.script = [500, (503, "wait a little", {}), 200]
    batch = a_batch(endpoint, real_now)
    tell(now=real_now)
    assert tell(now=real_now + dt.timedelta(seconds=1)) == 0
    waits = []
    now = real_now
    for _ in range(2):
        batch.refresh_from_db()
        endpoint.refresh_from_db()
        waits.append((batch.due_at - now).total_seconds())
        now = max(batch.due_at, endpoint.retry_at)
        tell(now=now)
    batch.refresh_from_db()
    endpoint.refresh_from_db()
    assert (batch.state, batch.attempts, batch.status) == ("delivered", 3, 200)
    assert [(one["status"], one["words"]) for one in batch.log] == [(500, ""), (503, "wait a little"), (200, "")]
    assert 3 < waits[0] < 5.1 < 7 <= waits[1] < 10.1
    assert endpoint.failing_since is None and endpoint.succeeded_at == now
    bodies = {one.body for one in receiver.received}
    assert len(receiver.received) == 3 and len(bodies) == 1
    assert {one.headers["heed-delivery"] for one in receiver.received} == {str(batch.pk)}


def test_after_a_day_it_is_given_up_and_the_endpoint_is_off_until_someone_switches_it_on(
    receiver, listening, tell, real_now
):
    endpoint, _ = listening()
    receiver.default = 500
    a_batch(endpoint, real_now)
    now = real_now
    while now < real_now + 2 * DAY and WebhookDelivery.objects.filter(state="pending").exists():
        tell(now=now)
        now += dt.timedelta(minutes=30)
    endpoint.refresh_from_db()
    assert DAY <= now - real_now < DAY + dt.timedelta(hours=2)
    assert "24 hours" in endpoint.disabled_reason
    assert states() == ["failed"]
    assert 20 <= len(receiver.received) <= 60  # it was asked less and less often
    # The receiver is mended: switched on, what had failed is sent again, with the same ids.
    receiver.default = 200
    endpoints.enable(endpoint)
    assert endpoints.replay(WebhookDelivery.objects.filter(endpoint=endpoint), now=now) == 1
    tell(now=now)
    assert states() == ["delivered"]
    assert len({event["id"] for event in receiver.events()}) == 1


def test_a_receiver_that_says_gone_is_switched_off_at_once(receiver, listening, tell, real_now):
    endpoint, _ = listening()
    receiver.default = 410
    a_batch(endpoint, real_now)
    tell(now=real_now)
    endpoint.refresh_from_db()
    assert (endpoint.disabled_reason, states()) == ("It answered 410 Gone.", ["failed"])


def test_a_batch_that_is_never_taken_does_not_stop_the_others(receiver, listening, tell, real_now):
    endpoint, _ = listening()
    receiver.script = [500]
    batches = [a_batch(endpoint, real_now + dt.timedelta(milliseconds=n)) for n in range(6)]
    later = real_now + dt.timedelta(seconds=1)
    while tell(now=later):
        pass
    assert states().count("delivered") == 5
    assert sum(one.state == "pending" for one in WebhookDelivery.objects.filter(pk__in=[b.pk for b in batches])) == 1


def test_a_failing_endpoint_is_asked_with_one_batch_and_the_others_get_theirs(receiver, listening, tell, real_now):
    good, _ = listening(name="Good", path="/good")
    bad, _ = listening(name="Bad", path="/bad")
    WebhookEndpoint.objects.filter(pk=bad.pk).update(failing_since=real_now, failures=3)
    for number in range(3):
        a_batch(good, real_now + dt.timedelta(milliseconds=number))
        a_batch(bad, real_now + dt.timedelta(milliseconds=number))
    client = Client(exempt=[receiver.origin], roots=[receiver.root])
    assert sending.send_due(client, now=real_now + dt.timedelta(seconds=1)) == 4
    paths = sorted(one.path for one in receiver.received)
    assert paths == ["/bad", "/good", "/good", "/good"]


def test_redirects_are_not_followed_and_count_as_not_taken(receiver, listening, tell, real_now):
    endpoint, _ = listening()
    receiver.default = (302, "", {"Location": f"{receiver.origin}/elsewhere"})
    a_batch(endpoint, real_now)
    tell(now=real_now)
    batch = WebhookDelivery.objects.get()
    assert (batch.state, batch.status, len(receiver.received)) == ("pending", 302, 1)


def test_a_receiver_that_says_nothing_costs_seconds_not_the_worker(receiver, listening, tell, real_now, monkeypatch):
    monkeypatch.setattr(sending, "DEADLINE", 0.5)
    endpoint, _ = listening()
    receiver.default = "silence"
    a_batch(endpoint, real_now)
    tell(now=real_now)
    batch = WebhookDelivery.objects.get()
    assert (batch.state, batch.status) == ("pending", None)
    assert batch.words


def test_how_an_answer_began_is_kept_and_no_more_of_it(receiver, listening, tell, real_now):
    endpoint, _ = listening()
    receiver.default = (400, "no such thing: ü\0" + "x" * 100_000, {})
    a_batch(endpoint, real_now)
    tell(now=real_now)
    batch = WebhookDelivery.objects.get()
    assert batch.words.startswith("no such thing: ü") and len(batch.words) == 500


def test_a_worker_that_dies_while_posting_leaves_its_batch_to_the_next(receiver, listening, tell, real_now):
    endpoint, _ = listening()
    a_batch(endpoint, real_now)
    assert len(sending.claim(now=real_now)) == 1
    assert sending.claim(now=real_now) == []
    assert tell(now=real_now) == 0
    WebhookDelivery.objects.update(lease_until=real_now - dt.timedelta(seconds=1))  # what a minute does
    assert tell(now=real_now) == 1
    assert states() == ["delivered"]


def test_two_secrets_sign_for_a_day_after_a_change(receiver, listening, tell, real_now):
    endpoint, old = listening()
    new = endpoints.rotate(endpoint, now=real_now)
    a_batch(endpoint, real_now)
    tell(now=real_now)
    assert receiver.received[0].is_genuine(old) and receiver.received[0].is_genuine(new)
    later = real_now + dt.timedelta(hours=25)
    assert endpoints.secrets_of(endpoint, now=later) == [new]


def test_a_changed_body_or_time_is_not_genuine(receiver, listening, tell, real_now):
    from dataclasses import replace

    endpoint, secret = listening()
    a_batch(endpoint, real_now)
    tell(now=real_now)
    (one,) = receiver.received
    at = int(real_now.timestamp())
    forged = one.headers["heed-signature"].replace(f"t={at}", f"t={at + 1}")
    assert one.is_genuine(secret)
    assert not replace(one, body=one.body + b" ").is_genuine(secret)
    assert not replace(one, headers=one.headers | {"heed-signature": forged}).is_genuine(secret)


def test_the_database_keeps_no_secret(listening, real_now):
    endpoint, secret = listening()
    other = endpoints.rotate(endpoint, now=real_now)
    kept = str(WebhookEndpoint.objects.values().get()).encode() + bytes(endpoint.secret) + bytes(endpoint.old_secret)
    assert secret.encode() not in kept and other.encode() not in kept


def test_a_secret_that_no_key_opens_is_said_and_costs_the_others_nothing(receiver, listening, tell, real_now):
    lost, _ = listening(name="Lost", path="/lost")
    fine, _ = listening(name="Fine", path="/fine")
    WebhookEndpoint.objects.filter(pk=lost.pk).update(secret=b"gone:" + bytes(60))
    for endpoint in (lost, fine):
        a_batch(endpoint, real_now)
    tell(now=real_now)
    assert [one.path for one in receiver.received] == ["/fine"]
    assert "secret" in WebhookDelivery.objects.get(endpoint=lost).words


# What is wrong with these is only that no push service is called so.
ELSEWHERE = re.compile(r"https://[.a-z0-9-]+[a-z.]/[a-z./]*")
NEVER = [url for url in BAD_URLS if not ELSEWHERE.fullmatch(url) or "localhost" in url]


@pytest.mark.parametrize("url", NEVER)
def test_addresses_that_lead_inside_or_hide_where_they_lead_are_refused(url, real_now):
    with pytest.raises(InvalidEndpoint) as refused:
        endpoints.create("Bad", url, ["message.sent"], made_by="tests", now=real_now)
    assert refused.value.field == "url"


def test_a_name_that_turns_to_the_own_network_later_is_not_contacted(receiver, listening, tell, real_now, settings):
    """What was public when it was made is looked up again for each post."""
    endpoint, _ = listening()
    a_batch(endpoint, real_now)
    client = Client(exempt=[], roots=[receiver.root], resolver=lambda host, port: ["127.0.0.1"])
    WebhookEndpoint.objects.update(url="https://hooks.example.com/x")
    assert sending.send_due(client, now=real_now) == 1
    batch = WebhookDelivery.objects.get()
    assert batch.words.startswith("Not contacted") and not receiver.received


def test_only_the_named_origin_in_the_own_network_is_contacted(receiver, real_now):
    other = receiver.origin.replace("localhost", "127.0.0.1")
    with pytest.raises(InvalidEndpoint):
        endpoints.create("Other", f"{other}/x", ["message.sent"], made_by="tests", now=real_now)
    endpoints.create("Named", f"{receiver.origin}/x", ["message.sent"], made_by="tests", now=real_now)


@pytest.mark.parametrize(
    ("name", "kinds", "field"),
    [("", ["message.sent"], "name"), ("CRM", [], "kinds"), ("CRM", ["message.read"], "kinds")],
)
def test_an_endpoint_needs_a_name_and_kinds_that_exist(receiver, real_now, name, kinds, field):
    with pytest.raises(InvalidEndpoint) as refused:
        endpoints.create(name, f"{receiver.origin}/x", kinds, made_by="tests", now=real_now)
    assert refused.value.field == field


def test_old_batches_are_forgotten(receiver, listening, tell, real_now):
    endpoint, _ = listening()
    receiver.script = [200, 410]
    for number in range(2):
        a_batch(endpoint, real_now + dt.timedelta(milliseconds=number))
        tell(now=real_now + dt.timedelta(seconds=1))
    assert states() == ["delivered", "failed"]
    assert sending.drop_old(now=real_now + dt.timedelta(days=6)) == 0
    assert sending.drop_old(now=real_now + dt.timedelta(days=8)) == 1
    assert sending.drop_old(now=real_now + dt.timedelta(days=32)) == 1


def test_the_background_job_tells_by_itself(receiver, listening, monkeypatch, redis_server):
    """From the clock's hint through the queue to the receiver, as the worker runs it."""
    import time

    import django_rq
    from rq.serializers import JSONSerializer
    from rq.worker import SimpleWorker

    from console import tasks

    monkeypatch.setattr(tasks, "_client", lambda: Client(exempt=[receiver.origin], roots=[receiver.root]))
    tasks.hint_webhooks()
    queue = django_rq.get_queue(tasks.BACKGROUND)
    assert queue.count == 0  # nobody listens
    listening("device.registered")
    make.device(make.profile("ada"))
    time.sleep(1.2)
    for _ in range(3):
        tasks.hint_webhooks()
    assert queue.count == 1
    SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer).work(burst=True)
    assert [event["type"] for event in receiver.events()] == ["device.registered"]
