"""The page of one profile: who it is, how it can be reached, what it did, and every message decided for it."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone

from audiences.models import Choice, Device, Event, Health, Permission, Profile, Topic
from audiences.segments.of_profile import segments_of
from campaigns.models import Campaign
from console.admin.site import console_page, render_page
from console.device_words import WHY, reasons_of, what_it_takes
from console.verdict_words import Said, reason_words, said, state_words
from delivery.models import Message, Push, Wave

EVENTS = 50
EVENT_DAYS = 400
MESSAGES = 50
MESSAGE_DAYS = 400
DEVICES = 20


@dataclass(frozen=True, slots=True)
class Reached:
    """A device with its separate states: what the system allows, whether the address works, whether anybody is signed
    in; why it is not pushed to, if it is not, and what that would take. What the person chose stands beside it."""

    device: Device
    permission: str
    permission_tone: str
    health: str
    health_tone: str
    dead_because: str
    reason: str
    takes: str


@dataclass(slots=True)
class Decided:
    """One message with its gates in words, and what became of it on each device."""

    message: Message
    name: str
    campaign: Campaign | None
    state: str
    tone: str
    reason: str
    gates: list[Said]
    pushes: list[Push] = field(default_factory=list)


@console_page(permission="audiences.view_profile")
def profile(request: HttpRequest, object_id: str) -> HttpResponse:
    """About twelve queries, each bounded. An absorbed profile leads to the one that absorbed it."""
    if not object_id.isdecimal():
        raise Http404
    found = get_object_or_404(Profile.objects.select_related("merged_into"), pk=int(object_id))
    if found.merged_into_id:
        return HttpResponseRedirect(reverse("console:audiences_profile_change", args=[found.merged_into_id]))
    now = timezone.now()
    zone = _zone(found)
    choices = list(Choice.objects.filter(profile=found).select_related("topic", "entry"))
    absorbed = list(found.absorbed.order_by("pk").values_list("pk", flat=True)[:20])
    with timezone.override(ZoneInfo(zone)):
        return render_page(
            request,
            "console/profile.html",
            title=found.name,
            crumbs=[("Profiles", reverse("console:audiences_profile_changelist"))],
            profile=found,
            zone=zone,
            attributes=sorted(found.attributes.items()),
            identifiers=list(found.identifiers.order_by("kind", "pk")[:20]),
            absorbed=absorbed,
            devices=_reached(found, now=now),
            everything=next((choice for choice in choices if choice.topic_id is None), None),
            topics=_topics(choices),
            events=Event.objects.filter(profile=found, occurred_at__gt=now - dt.timedelta(days=EVENT_DAYS)).order_by(
                "-occurred_at"
            )[:EVENTS],
            decided=_decided([found.pk, *absorbed], now=now, zone=zone),
        )


@console_page(permission="audiences.view_profile")
def segments(request: HttpRequest, pk: int) -> HttpResponse:
    """Which segments the profile is in right now. It judges every rule, so the page fetches it after itself."""
    found = get_object_or_404(Profile, pk=pk)
    inside, all_asked = segments_of(found.pk, now=timezone.now())
    return render(request, "console/profile_segments.html", {"segments": inside, "all_asked": all_asked})


def _decided(profile_ids: Sequence[int], *, now: dt.datetime, zone: str) -> list[Decided]:
    messages = list(
        Message.objects.filter(
            profile__in=profile_ids,
            planned_at__gt=now - dt.timedelta(days=MESSAGE_DAYS),
            wave_on__gt=(now - dt.timedelta(days=MESSAGE_DAYS)).date(),
        ).order_by("-planned_at", "-pk")[:MESSAGES]
    )
    waves = Wave.objects.in_bulk({message.wave_id for message in messages})
    origins = {wave.origin for wave in waves.values() if wave.origin.startswith("campaign:")}
    campaigns = Campaign.objects.in_bulk({int(origin.partition(":")[2]) for origin in origins})
    pushes: dict[int, list[Push]] = defaultdict(list)
    if messages:
        days = {message.wave_on for message in messages}
        found = Push.objects.filter(message__in=[message.pk for message in messages], wave_on__in=days)
        sent = list(found.order_by("intent_at"))
        devices = Device.objects.in_bulk({push.device_id for push in sent})
        for push in sent:
            # A device may have been deleted since.
            push.device = devices.get(push.device_id)
            pushes[push.message_id].append(push)
    return [_one(message, waves.get(message.wave_id), campaigns, pushes[message.pk], zone=zone) for message in messages]


def _one(
    message: Message, wave: Wave | None, campaigns: dict[int, Campaign], pushes: list[Push], *, zone: str
) -> Decided:
    origin = wave.origin if wave else ""
    campaign = campaigns.get(int(origin.partition(":")[2])) if origin.startswith("campaign:") else None
    tones = {Message.State.SENT: "good", Message.State.HELD_OUT: "info", Message.State.QUEUED: "info"}
    return Decided(
        message=message,
        name=campaign.name if campaign else "Sent by a program" if origin == Wave.SEND_API else origin,
        campaign=campaign,
        state=state_words(message.state),
        tone=tones.get(Message.State(message.state), "warn"),
        reason=reason_words(message.reason),
        gates=said(message.verdicts, zone=zone),
        pushes=pushes,
    )


_PERMISSION_TONES = {Permission.GRANTED: "good", Permission.PROVISIONAL: "info", Permission.DENIED: "bad"}
_HEALTH_TONES = {Health.WORKS: "good", Health.STALE: "warn", Health.RESUBSCRIBE: "warn", Health.DEAD: "bad"}


def _reached(profile: Profile, *, now: dt.datetime) -> list[Reached]:
    """The profile's devices, the latest first. Two queries."""
    devices = list(profile.devices.order_by("-last_seen_at")[:DEVICES])
    reasons = reasons_of(devices) if devices else {}
    return [_one_device(device, reasons[device.pk], now=now) for device in devices]


def _one_device(device: Device, reason: str, *, now: dt.datetime) -> Reached:
    permission, health = Permission(device.permission), device.health(now=now)
    return Reached(
        device=device,
        permission=str(permission.label),
        permission_tone=_PERMISSION_TONES.get(permission, ""),
        health=str(health.label),
        health_tone=_HEALTH_TONES[health],
        dead_because=reason_words(device.quarantine_reason) if device.quarantined_at else "",
        reason=WHY.get(reason, ""),
        takes=what_it_takes(device, reason),
    )


def _topics(choices: list[Choice]) -> list[tuple[Topic, Choice | None]]:
    """Every open topic with the explicit choice, or None where its default holds."""
    made = {choice.topic_id: choice for choice in choices}
    topics = Topic.objects.filter(archived_at=None).order_by(F("position"), "name")
    return [(topic, made.get(topic.pk)) for topic in topics]


def _zone(profile: Profile) -> str:
    try:
        return ZoneInfo(profile.zone).key if profile.zone else "UTC"
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"
