"""What the gates decided, in words: the one place where reason codes become sentences."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.dateparse import parse_datetime

GATES = {
    "duplicate": "Only once",
    "standing": "May be notified at all",
    "erased": "May be notified at all",
    "profile": "May be notified at all",
    "paused": "Campaign is running",
    "wave": "Campaign is running",
    "exit": "Goal not reached yet",
    "device": "Has a live device",
    "consent": "Wants notifications",
    "topic": "Wants this topic",
    "data_consent": "Agreed to the data's use",
    "filter": "Still in the audience",
    "expired": "Still in time",
    "expiry": "Still in time",
    "quiet_hours": "Outside quiet hours",
    "window": "Inside the sending window",
    "frequency_cap": "Under the caps",
    "cap": "Under the caps",
    "cool_down": "Long enough since the last",
    "fatigue": "Not worn out",
    "arbiter": "Nothing more important",
    "content": "Message can be written",
    "template": "Message can be written",
    "global_holdout": "Not in the global holdout",
    "control": "Not left alone for comparison",
    "throttle": "Within the sending speed",
}
"""Gate → the question that it asks, as a statement that is true when it lets a message pass."""

REASONS = {
    "": "",
    "duplicate": "Had this message already",
    "device_already_served": "This device got it through a merged profile",
    "profile_erased": "Was erased",
    "erased": "Was erased",
    "suppressed": "Is on the list of those never to write to",
    "wave_paused": "The campaign is paused",
    "paused": "The campaign is paused",
    "wave_stopped": "The campaign was stopped",
    "stopped": "The campaign was stopped",
    "no_device": "Has no device",
    "no_live_device": "Has no device that can be reached",
    "permission_denied": "Has forbidden notifications on every device",
    "address_dead": "The device's address is dead",
    "opted_out": "Opted out of all notifications",
    "topic_opted_out": "Opted out of this topic",
    "topic_not_chosen": "Did not choose this topic",
    "opted_out_after_planning": "Opted out after this was planned",
    "expired": "It was too late",
    "too_late": "It was too late",
    "late": "It was too late",
    "quiet_hours": "Waits for the end of quiet hours",
    "send_window": "Waits for the sending window",
    "frequency_cap": "Had as many messages as the cap allows",
    "cool_down": "Waits until the last message is long enough ago",
    "fatigue": "Is worn out",
    "arbiter": "A more important message came first",
    "missing_value": "A value is missing, and the template has no fallback for it",
    "empty": "The message would be empty",
    "empty_title": "The title would be empty",
    "too_long": "The message would be too long",
    "link_not_allowed": "The link is not allowed",
    "template": "The template could not be filled in",
    "payload_too_large": "The message is too large for the push service",
    "global_holdout": "Gets no messages at all, to measure the whole",
    "control": "Left alone, to compare with",
    "throttle": "Waits its turn",
    "origin_held": "The push service asked us to wait",
    "retry": "Will be tried again",
    "gone": "The push service says this device is gone",
    "rejected": "The push service refused it",
    "unknown": "Nobody knows whether it arrived",
    "lease_over": "A worker died while sending",
    "attempts": "Five attempts failed",
    "queued": "Waits to be sent",
    "claimed": "Is being judged",
    "pushing": "Is on its way",
    "dropped": "Every device turned out to be gone",
}
"""Reason code → what a marketer is told. An unknown code is shown as it is, with spaces."""

STATES = {
    "queued": "Waiting",
    "claimed": "Being judged",
    "suppressed": "Held back",
    "expired": "Too late",
    "held_out": "Left alone",
    "pushing": "On its way",
    "sent": "Sent",
    "unknown": "Unknown",
    "rejected": "Refused",
    "dropped": "Device gone",
}


@dataclass(frozen=True, slots=True)
class Said:
    """One gate's answer as a line: the question, whether it let the message pass, and the values, in words."""

    gate: str
    allowed: bool
    words: str


def state_words(state: str) -> str:
    """What a message's state is called in the console."""
    return STATES.get(state, state.replace("_", " ").capitalize())


def reason_words(reason: str) -> str:
    """What a reason code is called in the console; the code itself, with spaces, if nobody gave it words."""
    return REASONS.get(reason, reason.replace("_", " ").capitalize())


def said(verdicts: list[Mapping[str, Any]] | None, *, zone: str = "UTC") -> list[Said]:
    """A message's recorded verdicts, in gate order, in words. Times are told in `zone`."""
    return [
        Said(
            gate=GATES.get(str(verdict.get("gate")), str(verdict.get("gate", "")).replace("_", " ").capitalize()),
            allowed=bool(verdict.get("allowed")),
            words=_sentence(verdict, zone),
        )
        for verdict in verdicts or []
    ]


def _sentence(verdict: Mapping[str, Any], zone: str) -> str:
    values = verdict.get("values") or {}
    reason = str(verdict.get("reason") or "")
    speak = SENTENCES.get(reason) or SENTENCES.get(str(verdict.get("gate")))
    parts = []
    try:
        parts.append(speak(values) if speak else "")
    except (KeyError, TypeError, ValueError):
        parts.append("")
    if not parts[0]:
        listed = ", ".join(f"{name.replace('_', ' ')} {_plain(value, zone)}" for name, value in values.items())
        parts = [part for part in (reason_words(reason), listed) if part]
    if frees := _moment(verdict.get("frees_at"), zone):
        parts.append(f"frees {frees}")
    return "; ".join(part for part in parts if part)


def _cap(values: Mapping[str, Any]) -> str:
    hours = int(values["hours"])
    span = f"{hours // 24} days" if hours >= 48 and hours % 24 == 0 else f"{hours} hours"
    seen = int(values["seen"])
    return f"{seen} {'push' if seen == 1 else 'pushes'} in {span}; the cap is {values['cap']}"


def _quiet(values: Mapping[str, Any]) -> str:
    return f"quiet hours are {values['from']} to {values['until']}; it was {values['local']} there"


SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "frequency_cap": _cap,
    "quiet_hours": _quiet,
}


def _plain(value: Any, zone: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_plain(one, zone) for one in value)
    return _moment(value, zone) or str(value)


def _moment(value: Any, zone: str) -> str:
    at = parse_datetime(value) if isinstance(value, str) and "T" in value else None
    if at is None:
        return ""
    if at.tzinfo is None:
        at = at.replace(tzinfo=dt.UTC)
    return f"{at.astimezone(ZoneInfo(zone)):%A %-d %b %H:%M}"
