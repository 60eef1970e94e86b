"""Posting batches: claimed with a lease, signed, sent side by side, and again with backoff until a day has passed.

A worker that dies leaves a lease that ends; the batch is then posted again. So each batch arrives at least once, and
its events keep their ids.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from functools import partial

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from audiences.sealing import Unsealable
from console.models import WebhookDelivery, WebhookEndpoint
from console.webhooks.endpoints import disable, secrets_of
from console.webhooks.signing import HEADER, signature
from delivery.http import Answer, Client, Post

State = WebhookDelivery.State
SIDE_BY_SIDE = 16
FOR_ONE = 4
"""Posts to one endpoint at a time; one that is failing gets a single one, to see whether it is back."""
DEADLINE = 10.0
LARGEST_ANSWER = 16 * 1024
LEASE_SECONDS = 60.0
BACKOFF, MOST_BACKOFF = 5.0, 3600.0
GIVE_UP = dt.timedelta(hours=24)
EXCERPT = 500
LOGGED = 50
GONE = 410
UNSIGNED = Answer("unsafe", detail="its secret does not open under any key of HEED_KEK; give it another secret")

_CLAIM = """
WITH ready AS (
    SELECT d.id, d.due_at, e.failing_since IS NOT NULL AS is_failing,
           row_number() OVER (PARTITION BY d.endpoint_id ORDER BY d.due_at, d.id) AS place
    FROM console_webhookdelivery d JOIN console_webhookendpoint e ON e.id = d.endpoint_id
    WHERE d.state = 'pending' AND d.due_at <= %(now)s AND (d.lease_until IS NULL OR d.lease_until < now())
      AND e.disabled_at IS NULL AND (e.retry_at IS NULL OR e.retry_at <= %(now)s)
), chosen AS (
    SELECT d.id FROM console_webhookdelivery d JOIN ready r ON r.id = d.id
    WHERE r.place <= CASE WHEN r.is_failing THEN 1 ELSE %(for_one)s END
      AND d.state = 'pending' AND (d.lease_until IS NULL OR d.lease_until < now())
    ORDER BY r.place, r.due_at LIMIT %(most)s FOR UPDATE OF d SKIP LOCKED
)
UPDATE console_webhookdelivery d SET lease_until = now() + make_interval(secs => %(lease)s), attempts = attempts + 1,
       give_up_at = coalesce(d.give_up_at, %(now)s + %(give_up)s)
FROM chosen c WHERE d.id = c.id RETURNING d.id
"""


def claim(*, now: dt.datetime, most: int = SIDE_BY_SIDE) -> list[WebhookDelivery]:
    """Take batches that are due, a few of each endpoint, for a minute."""
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM,
            {
                "now": now,
                "for_one": FOR_ONE,
                "most": most,
                "lease": LEASE_SECONDS * settings.HEED_TIME_SCALE,
                "give_up": GIVE_UP,
            },
        )
        ids = [row[0] for row in cursor.fetchall()]
    return list(WebhookDelivery.objects.filter(pk__in=ids).select_related("endpoint").order_by("due_at", "pk"))


def send_due(client: Client, *, now: dt.datetime) -> int:
    """Post what is due, once. Returns how many batches were tried."""
    deliveries = claim(now=now)
    if not deliveries:
        return 0
    signed = [(one, post) for one in deliveries if (post := _post(one, now=now))]
    answers = client.post_each(
        [partial(_given, post) for _, post in signed], deadline=DEADLINE, public=True, largest=LARGEST_ANSWER
    )
    known = {one.pk: answer for (one, _), answer in zip(signed, answers, strict=True)}
    record(deliveries, [known.get(one.pk, UNSIGNED) for one in deliveries], now=now)
    return len(deliveries)


def _given(post: Post) -> Post:
    return post


def build_client() -> Client:
    """The one client that talks to the outside, told of receivers in the own network."""
    roots = (settings.HEED_CA_FILE.read_bytes(),) if settings.HEED_CA_FILE else ()
    return Client(exempt=settings.HEED_WEBHOOK_ORIGINS, roots=roots)


def _post(delivery: WebhookDelivery, *, now: dt.datetime) -> Post | None:
    """The signed request, or None where the secret cannot be opened."""
    body = f'{{"id":"{delivery.pk}","events":{delivery.events}}}'.encode()
    try:
        keys = secrets_of(delivery.endpoint, now=now)
    except Unsealable:
        return None
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Heed",
        "Heed-Delivery": str(delivery.pk),
        HEADER: signature(body, keys=keys, at=int(now.timestamp())),
    }
    return Post(delivery.endpoint.url, headers, body)


def record(deliveries: Sequence[WebhookDelivery], answers: Sequence[Answer], *, now: dt.datetime) -> None:
    """Write down what was answered, and when to try again. One UPDATE for the batches, one for each endpoint."""
    with transaction.atomic():
        taken: dict[int, list[bool]] = {}
        for delivery, answer in zip(deliveries, answers, strict=True):
            delivery.lease_until = None
            if answer.proved == "not_begun":
                delivery.attempts -= 1
                continue
            is_taken = answer.proved == "answered" and 200 <= answer.status < 300
            taken.setdefault(delivery.endpoint_id, []).append(is_taken)
            delivery.status, delivery.words = answer.status or None, _words(answer)
            attempt = {"at": now.isoformat(), "status": answer.status, "words": delivery.words}
            delivery.log = [*delivery.log, attempt][-LOGGED:]
            if is_taken or (delivery.give_up_at and now >= delivery.give_up_at):
                delivery.state = State.DELIVERED if is_taken else State.FAILED
                delivery.finished_at = now
            else:
                delivery.due_at = now + _wait(delivery.attempts)
        WebhookDelivery.objects.bulk_update(
            deliveries,
            ["lease_until", "attempts", "status", "words", "log", "state", "finished_at", "due_at", "give_up_at"],
        )
        endpoints = {one.endpoint_id: one.endpoint for one in deliveries}
        for pk, results in taken.items():
            gone = any(a.status == GONE for d, a in zip(deliveries, answers, strict=True) if d.endpoint_id == pk)
            _learn(endpoints[pk], any(results), is_gone=gone and not any(results), now=now)


def _learn(endpoint: WebhookEndpoint, is_taking: bool, *, is_gone: bool, now: dt.datetime) -> None:
    """What the answers say of the endpoint: it works; it is failing, and is asked less and less often; or it is off."""
    found = WebhookEndpoint.objects.filter(pk=endpoint.pk)
    if is_taking:
        found.update(failing_since=None, failures=0, retry_at=None, succeeded_at=now)
        return
    found.update(failures=F("failures") + 1, retry_at=now + _wait(endpoint.failures + 1))
    found.filter(failing_since=None).update(failing_since=now)
    if is_gone:
        disable(endpoint, reason="It answered 410 Gone.", now=now)
    elif endpoint.failing_since and now - endpoint.failing_since >= GIVE_UP:
        disable(endpoint, reason="It took nothing for 24 hours.", now=now)


def _wait(attempts: int) -> dt.timedelta:
    """5 s, 10 s, 20 s … up to an hour, with jitter."""
    ceiling = min(BACKOFF * 2.0 ** min(attempts - 1, 20), MOST_BACKOFF)
    return dt.timedelta(seconds=random.uniform(0.7, 1) * ceiling * settings.HEED_TIME_SCALE)


def _words(answer: Answer) -> str:
    """How the answer began, or what happened instead: for a person who looks for the mistake."""
    if answer.proved == "answered":
        return answer.body[: EXCERPT * 4].decode(errors="replace").replace("\0", "")[:EXCERPT]
    said = {
        "unsafe": "Not contacted",
        "never_sent": "Not reached",
        "unknown": "No whole answer",
    }[answer.proved]
    return f"{said}: {answer.detail}"[:EXCERPT].replace("\0", "") if answer.detail else said


DELIVERED_DAYS, FAILED_DAYS = 7, 30
SLICE = 500


def drop_old(*, now: dt.datetime, most: int = 20) -> int:
    """Forget batches: delivered ones after a week, failed ones after a month. In slices. Returns how many."""
    total = 0
    for state, days in ((State.DELIVERED, DELIVERED_DAYS), (State.FAILED, FAILED_DAYS)):
        old = WebhookDelivery.objects.filter(finished_at__lt=now - dt.timedelta(days=days), state=state)
        for _ in range(most):
            ids = list(old.order_by("finished_at").values_list("pk", flat=True)[:SLICE])
            total += WebhookDelivery.objects.filter(pk__in=ids).delete()[0]
            if len(ids) < SLICE:
                break
    return total
