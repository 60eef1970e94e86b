"""How a push credential is doing: what is held and why, whom it serves, what it sent, what it was answered."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Sum

from audiences.models import Device
from console import stops
from delivery import holds
from delivery.models import Credential, Message, Push, Tally, Wave
from delivery.routes import Routes


@dataclass(frozen=True, slots=True)
class Figures:
    """`devices` are live ones that it is used for; `waiting` messages wait for one of its holds; `last` is the last
    answer of its gateway."""

    devices: int
    sent_today: int
    waiting: int
    last: Tally | None


def credential_state(credential: Credential, *, now: dt.datetime) -> dict[str, Any]:
    """What its page tells beside its form. One query."""
    held = [hold for hold in credential.holds.select_related("credential").order_by("origin") if hold.in_force(now)]
    return {
        "held": [(hold, *stops.words(hold)) for hold in held],
        "is_paused": any(hold.origin == holds.EVERYWHERE for hold in held),
    }


def figures(credential: Credential, *, now: dt.datetime) -> Figures:
    """Five queries; counting its devices costs what a look at all devices of its gateway does."""
    tallies = Tally.objects.filter(credential=credential, kind=Tally.Kind.PUSH)
    return Figures(
        devices=devices_served(credential),
        sent_today=_sent_since(credential, now.replace(hour=0, minute=0, second=0, microsecond=0)),
        waiting=Message.objects.filter(
            state=Message.State.QUEUED, held_by__in=list(credential.holds.values_list("pk", flat=True))
        ).count(),
        last=tallies.exclude(status="").order_by("-at").first(),
    )


def devices_served(credential: Credential) -> int:
    """How many live devices are pushed to with it. Two queries."""
    if credential.retired_at:
        return 0
    routes = Routes.current()
    kinds = (
        Device.objects.live()
        .filter(gateway=credential.gateway)
        .values_list("gateway", "sender_key", "app", "environment")
        .annotate(n=Count("pk"))
        .order_by()
    )
    return sum(n for *kind, n in kinds if routes.choose(*kind) == credential.pk)


def _sent_since(credential: Credential, midnight: dt.datetime) -> int:
    """Pushes that the gateway took since then. What began before is counted in the ledger, the rest is known."""
    sent = Tally.objects.filter(credential=credential, kind=Tally.Kind.PUSH, state=Push.State.SENT, at__gte=midnight)
    waves = dict(sent.values_list("wave_id").annotate(n=Sum("n")).order_by())
    older = dict(Wave.objects.filter(pk__in=waves, created_at__lt=midnight).values_list("pk", "wave_on"))
    if not older:
        return sum(waves.values())
    counted = Push.objects.filter(
        wave__in=list(older),
        wave_on__in=set(older.values()),
        credential=credential,
        state=Push.State.SENT,
        intent_at__gte=midnight,
    ).count()
    return counted + sum(n for pk, n in waves.items() if pk not in older)
