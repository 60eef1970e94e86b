"""What became of messages: their state with its reason, the gates with their values, the pushes and their receipts."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audiences.models import Device, Profile
from campaigns.models import Campaign
from console.api.base import ApiView, ByNewest, moment_in, profile_of
from console.verdict_words import GATES, reason_words
from delivery import message_ids
from delivery.foresight import judge_now
from delivery.models import Message, Push, Send, Wave
from delivery.receipts import KINDS

DAYS_SHOWN = 31  # that a list reaches back where no `after` is given
LATEST = dt.timedelta(days=31)  # that a message is planned after its wave's day
MOST_DAYS = 400


class Messages(ApiView):
    def get(self, request: Request) -> Response:
        """Newest first; by `external_id`, `send`, `campaign`, `state`, `after`, `before` (when planned). Without
        `after`: the last 31 days."""
        found = _between(request)
        ordering: tuple[str, ...] = ("-id",)
        if external_id := request.GET.get("external_id"):
            found = found.filter(profile__in=_lives(profile_of(external_id)))
            ordering = ("-planned_at", "-id")
        if send := request.GET.get("send"):
            found = _of_send(found, send)
        if campaign := request.GET.get("campaign"):
            origin = f"campaign:{campaign}"
            found = found.filter(wave__in=list(Wave.objects.filter(origin=origin).values_list("pk", flat=True)))
        return _page(found, request, self, ordering=ordering)


class MessagesOfProfile(ApiView):
    def get(self, request: Request, external_id: str) -> Response:
        """Newest first; by `state`, `after`, `before`. Without `after`: the last 31 days."""
        found = _between(request).filter(profile__in=_lives(profile_of(external_id)))
        return _page(found, request, self, ordering=("-planned_at", "-id"))


class OneMessage(ApiView):
    def get(self, request: Request, public_id: str) -> Response:
        """One message, by the id that its send was answered with."""
        named = message_ids.read(public_id)
        found = Message.objects.filter(pk=named[0], wave_on=named[1]) if named else Message.objects.none()
        shown = shapes(list(found))
        if not shown:
            raise exceptions.NotFound("There is no message with this id.")
        return Response(_chosen(shown[0], request))


class Why(ApiView):
    def get(self, request: Request, external_id: str) -> Response:
        """Why this profile did, or did not, get `message`: the gates' answers as they were recorded, or, as long as it
        waits, what they would say now."""
        profile = profile_of(external_id)
        named = message_ids.read(request.GET.get("message", ""))
        if named is None:
            raise serializers.ValidationError({"message": ["Give the id of a message."]})
        found = Message.objects.select_related("wave", "wave__topic").filter(pk=named[0], wave_on=named[1])
        message = found.filter(profile__in=_lives(profile)).first()
        if message is None:
            raise exceptions.NotFound("This profile has no message with this id.")
        waits = message.state == Message.State.QUEUED
        now = timezone.now()
        verdicts = [one.record() for one in judge_now(message, now=now)] if waits else message.verdicts or []
        return Response(
            {
                "message": message.public_id,
                "external_id": external_id,
                "state": message.state,
                "reason": _reason(message.reason),
                "due_at": _moment(message.due_at),
                "judged_at": _moment(now if waits else message.decided_at or message.finished_at),
                "allowed": all(verdict["allowed"] for verdict in verdicts),
                "gates": [_gate(verdict) for verdict in verdicts],
            }
        )


def _between(request: Request) -> QuerySet[Message]:
    now = timezone.now()
    after = moment_in(request, "after") or now - dt.timedelta(days=DAYS_SHOWN)
    before = moment_in(request, "before") or now + dt.timedelta(days=1)
    after = max(after, now - dt.timedelta(days=MOST_DAYS))
    found = Message.objects.filter(
        planned_at__gte=after,
        planned_at__lt=before,
        wave_on__gte=(after - LATEST).date(),  # leaves out older partitions
    )
    if state := request.GET.get("state"):
        if state not in Message.State.values:
            raise serializers.ValidationError({"state": [f"Give one of {', '.join(Message.State.values)}."]})
        found = found.filter(state=state)
    return found


def _lives(profile: Profile) -> list[int]:
    """The profile and those that were merged into it: the ledger keeps the name under which a message was planned."""
    return [profile.pk, *profile.absorbed.values_list("pk", flat=True)]


def _of_send(found: QuerySet[Message], public_id: str) -> QuerySet[Message]:
    try:
        send = Send.objects.select_related("wave").filter(public_id=UUID(public_id)).first()
    except ValueError:
        send = None
    if send is None:
        raise exceptions.NotFound("There is no send with this id.")
    return found.filter(wave=send.wave, wave_on=send.wave.wave_on, occurrence=send.pk)


def _page(
    found: QuerySet[Message], request: Request, view: ApiView, *, ordering: tuple[str, ...] = ("-id",)
) -> Response:
    pages = ByNewest()
    pages.ordering = ordering
    page = pages.paginate_queryset(found, request, view=view) or []
    return pages.get_paginated_response([_chosen(one, request) for one in shapes(page)])


def _chosen(shown: dict[str, Any], request: Request) -> dict[str, Any]:
    wanted = request.GET.get("fields")
    return {name: shown[name] for name in wanted.split(",") if name in shown} if wanted else shown


def shapes(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages as the API shows them, in order. Six queries, however many."""
    profiles = dict(
        Profile.objects.filter(pk__in={one.profile_id for one in messages}).values_list("pk", "external_id")
    )
    waves = Wave.objects.select_related("topic").in_bulk({one.wave_id for one in messages})
    campaigns = dict(
        Campaign.objects.filter(
            pk__in={int(wave.origin[9:]) for wave in waves.values() if wave.origin.startswith("campaign:")}
        ).values_list("pk", "name")
    )
    sends = dict(
        Send.objects.filter(
            pk__in={one.occurrence for one in messages if waves[one.wave_id].origin == Wave.SEND_API}
        ).values_list("pk", "public_id")
    )
    pushes: dict[int, list[Push]] = defaultdict(list)
    for push in Push.objects.filter(
        message__in=[one.pk for one in messages], wave_on__in={one.wave_on for one in messages}
    ).order_by("intent_at", "pk"):
        pushes[push.message_id].append(push)
    devices = {
        pk: (public_id, gateway)
        for pk, public_id, gateway in Device.objects.filter(
            pk__in={push.device_id for several in pushes.values() for push in several}
        ).values_list("pk", "public_id", "gateway")
    }
    return [
        {
            "id": one.public_id,
            "external_id": profiles.get(one.profile_id),
            **_whence(waves[one.wave_id], one, campaigns, sends),
            "arm": one.arm,
            "state": one.state,
            "reason": _reason(one.reason),
            "planned_at": _moment(one.planned_at),
            "due_at": _moment(one.due_at),
            "expires_at": _moment(one.expires_at or waves[one.wave_id].expires_at),
            "decided_at": _moment(one.decided_at),
            "intent_at": _moment(one.intent_at),
            "finished_at": _moment(one.finished_at),
            "gates": [_gate(verdict) for verdict in one.verdicts or []],
            "pushes": [_push(push, devices) for push in pushes[one.pk]],
        }
        for one in messages
    ]


def _whence(wave: Wave, message: Message, campaigns: dict[int, str], sends: dict[int, UUID]) -> dict[str, Any]:
    campaign = int(wave.origin[9:]) if wave.origin.startswith("campaign:") else None
    send = sends.get(message.occurrence) if wave.origin == Wave.SEND_API else None
    return {
        "campaign": {"id": campaign, "name": campaigns.get(campaign, "")} if campaign else None,
        "send": str(send) if send else None,
        "class": wave.message_class,
        "topic": wave.topic.key if wave.topic else None,
    }


def _reason(code: str) -> dict[str, str] | None:
    return {"code": code, "words": reason_words(code)} if code else None


def _gate(verdict: dict[str, Any]) -> dict[str, Any]:
    gate = str(verdict.get("gate", ""))
    return {
        "gate": gate,
        "asks": GATES.get(gate, gate),
        "allowed": bool(verdict.get("allowed")),
        "reason": _reason(str(verdict.get("reason") or "")),
        "values": verdict.get("values") or {},
        "frees_at": verdict.get("frees_at"),
    }


def _push(push: Push, devices: dict[int, tuple[UUID, str]]) -> dict[str, Any]:
    device, gateway = devices.get(push.device_id, (None, None))
    return {
        "id": str(push.pk),
        "device": str(device) if device else None,
        "gateway": gateway,
        "state": push.state,
        "reason": _reason(push.reason),
        "attempt": push.attempt,
        "status": push.status,
        "intent_at": _moment(push.intent_at),
        "due_at": _moment(push.due_at),
        "finished_at": _moment(push.finished_at),
        "receipts": {kind: _moment(at) for kind in KINDS if (at := getattr(push, f"{kind}_at"))},
    }


def _moment(at: dt.datetime | None) -> str | None:
    return at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z") if at else None
