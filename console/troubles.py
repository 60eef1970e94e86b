"""What is wrong right now, as sentences for the home page, each with the page on which to mend it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import django_rq
import redis
from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from rq.registry import FailedJobRegistry

from audiences.models import Segment
from audiences.segments.language import InvalidRule, parse
from console.checks import wrong_clock
from console.models import Heartbeat, WebhookEndpoint
from console.stops import stops
from console.verdict_words import reason_words
from delivery.models import Credential, Hold, Message, Wave
from delivery.models.credential import BROKEN

STALE = dt.timedelta(seconds=90)
LATE = dt.timedelta(minutes=5)
FAILING = dt.timedelta(minutes=10)
SEGMENTS = 500


@dataclass(frozen=True, slots=True)
class Trouble:
    """`weight` is bad (nothing goes out, or something is lost) or warn. Whoever has `permission` is told at the head of
    every page."""

    weight: str
    says: str
    address: str = ""
    action: str = ""
    permission: str = ""


def troubles(*, now: dt.datetime) -> list[Trouble]:
    """Everything that someone should look at, the worst first. Nine small queries and one to Redis."""
    webhooks = list(WebhookEndpoint.objects.order_by("pk"))
    found = [
        *_credentials(),
        *_stops(),
        *_holds(now),
        *_processes(now, webhooks),
        *_clocks(),
        *_jobs(),
        *_segments(),
        *_late(now),
        *_webhooks(now, webhooks),
    ]
    return sorted(found, key=lambda trouble: trouble.weight != "bad")


def _credentials() -> Iterator[Trouble]:
    address = reverse("console:delivery_credential_changelist")
    if not Credential.objects.filter(retired_at=None).exists():
        yield Trouble("bad", "There is no push credential, so nothing can be sent.", address, "Make one")


def _holds(now: dt.datetime) -> Iterator[Trouble]:
    held = Hold.objects.filter(Q(until__gt=now) | Q(reason=BROKEN), credential__retired_at=None)
    for hold in held.select_related("credential").order_by("pk"):
        why = hold.detail or reason_words(hold.reason)
        address = reverse("console:delivery_credential_change", args=[hold.credential_id])
        if hold.reason == BROKEN:
            says = f"{hold.origin} is in trouble: {why}. One push tries it each half minute; the others wait."
        else:
            says = f"{hold.origin} asked us to wait until {hold.until:%H:%M} UTC: {why}"
        yield Trouble("warn", says, address, "Look at it")


def _stops() -> Iterator[Trouble]:
    for stop in stops():
        yield Trouble("bad", f"{stop.says} {stop.mend}".strip(), stop.page, "Look at it", stop.permission)


def _processes(now: dt.datetime, webhooks: list[WebhookEndpoint]) -> Iterator[Trouble]:
    seen: dict[str, dt.datetime] = {}
    for name, at in Heartbeat.objects.values_list("name", "seen_at"):
        kind = name.partition(":")[0].partition("-")[0]
        seen[kind] = max(at, seen.get(kind, at))
    needed = [("clock", "nothing is started at its time"), ("worker", "nothing is sent")]
    if any(endpoint.disabled_at is None for endpoint in webhooks):
        needed.append(("background", "webhooks are not told"))
    for kind, does in needed:
        last = seen.get(kind)
        if last is None:
            yield Trouble("bad", f"No {kind} process has run yet: {does}.")
        elif now - last > STALE:
            yield Trouble("bad", f"The {kind} process was last seen at {last:%d %b %H:%M} UTC: {does}.")


def _clocks() -> Iterator[Trouble]:
    if wrong := wrong_clock():
        yield Trouble(
            "bad", f"This server's clock is {wrong} the database's: some times on these pages are not those of sending."
        )


def _jobs() -> Iterator[Trouble]:
    try:
        failed = sum(len(FailedJobRegistry(queue=django_rq.get_queue(name))) for name in settings.RQ_QUEUES)
    except redis.RedisError:
        yield Trouble("bad", "Redis does not answer: sending waits until it is back. Nothing is lost.")
        return
    if failed:
        jobs = "job has" if failed == 1 else "jobs have"
        yield Trouble("warn", f"{failed} background {jobs} failed in the last 7 days; the log says why.")


def _webhooks(now: dt.datetime, webhooks: list[WebhookEndpoint]) -> Iterator[Trouble]:
    for endpoint in webhooks:
        address = reverse("console:console_webhookendpoint_change", args=[endpoint.pk])
        if endpoint.disabled_at and endpoint.disabled_reason:
            says = f"The webhook “{endpoint.name}” is off since {endpoint.disabled_at:%d %b %H:%M} UTC."
            yield Trouble("bad", f"{says} {endpoint.disabled_reason}", address, "Look at it")
        elif endpoint.failing_since and now - endpoint.failing_since > FAILING:
            says = f"The webhook “{endpoint.name}” has taken nothing since {endpoint.failing_since:%d %b %H:%M} UTC."
            yield Trouble("warn", says, address, "Look at it")


def _segments() -> Iterator[Trouble]:
    rules = dict(Segment.objects.filter(archived_at=None).order_by("pk").values_list("pk", "rule")[:SEGMENTS])
    names: dict[int, str] = {}
    for pk, rule in rules.items():
        try:
            parse(rule, lookup=rules.__getitem__)
        except InvalidRule as invalid:
            names = names or dict(Segment.objects.filter(pk__in=rules).values_list("pk", "name"))
            address = reverse("console:audiences_segment_change", args=[pk])
            yield Trouble("warn", f"The segment “{names[pk]}” cannot be used: {invalid}", address, "Mend it")


def _late(now: dt.datetime) -> Iterator[Trouble]:
    running = list(Wave.objects.running().values_list("pk", "wave_on"))
    if not running:
        return
    late = Message.objects.filter(
        wave__in=[pk for pk, _ in running],
        wave_on__in={day for _, day in running},
        state=Message.State.QUEUED,
        due_at__lt=now - LATE,
    )
    if late.exists():
        yield Trouble("warn", "Messages that were due more than five minutes ago still wait to be sent.")
