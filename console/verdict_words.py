"""What the gates decided, in words: the one place where reason codes become sentences."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.dateparse import parse_datetime

from audiences.durations import in_words

GATES = {
    "duplicate": "Only once",
    "profile": "Is still there",
    "running": "Campaign is running",
    "device": "Has a live device",
    "consent": "Wants it",
    "expiry": "Still in time",
    "quiet_hours": "Outside quiet hours",
    "frequency_cap": "Under the caps",
    "cool_down": "Long enough since the last",
    "content": "Message can be written",
    "global_holdout": "Not in the global holdout",
    "control": "Not left alone to compare",
    "throttle": "May go as fast as this",
}
"""Gate → the question that it asks, as a statement that is true when it lets a message pass."""

REASONS = {
    "": "",
    # The gates' own, in their order.
    "device_already_served": "This device got it already, through a merged profile",
    "erased": "Was erased",
    "stopped": "The campaign was stopped",
    "paused": "The campaign is paused",
    "no_device": "Has no device",
    "no_permission": "Has forbidden notifications on every device",
    "needs_resubscribe": "Must subscribe again: the site's key has changed",
    "logged_out": "Has signed out on every device",
    "address_stale": "Its app was not opened for 270 days, so its address has expired",
    "address_dead": "No device answers any more",
    "device_reassigned": "Somebody else has signed in on its device",
    "opted_out": "Opted out of all notifications",
    "topic_opted_out": "Opted out of this topic",
    "topic_off_by_default": "Did not choose this topic, and it is off by default",
    "opted_out_since_planned": "Opted out after this was planned",
    "expired": "Its time was over",
    "late": "It was later than is tolerated",
    "quiet_hours": "Waits for the end of quiet hours",
    "expires_in_quiet_hours": "Its time ends before quiet hours do",
    "frequency_cap": "Had as many messages as the cap allows",
    "cool_down": "The last message was too short a time ago",
    "global_holdout": "Gets no messages at all, to measure the whole",
    "control": "Left alone, to compare with",
    "throttled_by_us": "Waits for its turn: no faster than the limit of its push credential",
    "fcm_quarter_hour": "Waits: FCM asks for quiet around the quarter hour",
    "fcm_ramp": "Waits a moment: large runs to Android begin slowly",
    # Content.
    "missing_value": "A value is missing, and the template has no fallback for it",
    "empty": "The message would be empty",
    "too_long": "The message would be too long",
    "link_not_allowed": "Its link is not allowed",
    "template": "The template could not be filled in",
    "unrenderable": "The template could not be filled in",
    # What push services answered.
    "bounced": "Its own app says that pushes bounce",
    "superseded": "Another address took its place",
    "stale": "Its app was not opened for 270 days",
    "gone": "The push service says that this device is gone",
    "address_renewed": "The device registered again while this was on its way; it is tried once more",
    "unauthorized": "The push service does not accept our credential",
    "throttled": "The push service asked us to wait",
    "gateway_trouble": "The push service is in trouble",
    "not_reached": "The push service could not be reached",
    "not_begun": "There was no time left to begin",
    "no_answer": "The push service did not answer, so nobody knows whether it arrived",
    "redirect": "The push service sent us elsewhere, which we never follow",
    "invalid_ttl_or_topic": "The push service refused its lifetime or its collapse key",
    "encryption_refused": "The push service refused its encryption",
    "bad_request": "The push service refused its form",
    "refused": "The push service refused it",
    "payload_too_large": "It is too large for the push service",
    "unsendable": "It holds something that cannot be sent",
    "invalid_argument": "The push service refused one of its fields",
    "our_mistake": "The push service found a mistake of ours in it",
    "token_doubted": "The push service refused it for this device alone",
    "bad_token": "The push service does not know this device's token",
    "other_environment": "Tries Apple's other environment",
    "wrong_environment": "Apple knows too few of these devices: they belong to its other environment",
    "wrong_app": "Apple says that these devices belong to another app",
    "other_project": "The device belongs to another Firebase project",
    "unknown_project": "Google does not know the Firebase project",
    "third_party_auth": "Google cannot reach Apple or browsers with what the Firebase project holds",
    "device_throttled": "The push service asked us to leave this device alone for a while",
    "token_refused": "The push service refused our access token before its time",
    "token_unavailable": "There is no access token at the moment",
    "token_updates": "Apple wants fewer new access tokens",
    "connection_ended": "The push service ended the connection",
    "unsafe_address": "The device's address is not one that we may send to",
    "invalid_keys": "The device's keys are not valid",
    "credential_missing": "There is no push credential",
    "credential_paused": "The push credential is paused",
    "credential_unusable": "The push credential cannot be opened",
    "mass_drop": "The push service calls nearly every device dead, which is not believed before somebody has looked",
    "attempts_exhausted": "Five attempts failed",
    "expired_in_retry": "Its time was over before it could be tried again",
    "poison": "Three workers failed on it, the last one on it alone",
    "worker_lost": "A worker died while sending, so nobody knows whether it arrived",
    # States that stand for themselves.
    "queued": "Waits to be sent",
    "claimed": "Is being judged",
    "pushing": "Is on its way",
    "suppressed": "Held back",
    "held_out": "Left alone",
    "dropped": "Every device turned out to be gone",
    "rejected": "The push service refused it",
    "unknown": "Nobody knows whether it arrived",
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
    values, gate, reason = verdict.get("values") or {}, str(verdict.get("gate")), str(verdict.get("reason") or "")
    phrase = _phrase(gate, values, zone)
    # A phrase that tells the gate's own values says its reason already.
    parts = [phrase] if gate == reason == "frequency_cap" and phrase else [reason_words(reason), phrase]
    if frees := _moment(verdict.get("frees_at"), zone):
        parts.append(f"frees {frees}")
    return "; ".join(part for part in parts if part)


def _phrase(gate: str, values: Mapping[str, Any], zone: str) -> str:
    if not values:
        return ""
    try:
        return SENTENCES[gate](values)
    except (KeyError, TypeError, ValueError):
        return ", ".join(f"{name.replace('_', ' ')} {_plain(value, zone)}" for name, value in values.items())


def _cap(values: Mapping[str, Any]) -> str:
    span = in_words(dt.timedelta(hours=int(values["hours"])))
    seen = int(values["seen"])
    return f"{seen} {'push' if seen == 1 else 'pushes'} in {span}; the cap is {values['cap']}"


def _device(values: Mapping[str, Any]) -> str:
    live = int(values["live"])
    return f"{live} that can be reached"


def _quiet(values: Mapping[str, Any]) -> str:
    if "from" in values:
        return f"quiet hours are {values['from']} to {values['until']} in {values['zone']}"
    return f"by the clock of {values['zone']}"


def _cool_down(values: Mapping[str, Any]) -> str:
    between = in_words(dt.timedelta(minutes=int(values["minutes"])))
    return f"{between} must lie between two messages"


def _consent(values: Mapping[str, Any]) -> str:
    return f"the topic is {values['topic']}" if "topic" in values else ""


def _content(values: Mapping[str, Any]) -> str:
    return "a fallback stood in for something that is not known" if values["used_fallback"] else ""


def _control(values: Mapping[str, Any]) -> str:
    return f"{values['percent']:g} % of the audience are, drawn by lot"


def _running(values: Mapping[str, Any]) -> str:
    return str(values["origin"] or "the whole credential")


SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "running": _running,
    "frequency_cap": _cap,
    "quiet_hours": _quiet,
    "device": _device,
    "cool_down": _cool_down,
    "consent": _consent,
    "content": _content,
    "control": _control,
}
"""Gate → its values as a phrase. What it does not fit is listed value by value instead."""


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
