"""Reason → action for APNs, as data: Apple's "Handling notification responses from APNs"."""

from __future__ import annotations

import datetime as dt

import msgspec
from msgspec.structs import replace

from delivery.gateways.base import Action, Outcome
from delivery.gateways.outcomes import CLIENT_ERRORS, REDIRECTS, SERVER_ERRORS, Rule, decide, not_answered
from delivery.http import Answer

AFTER_TROUBLE = 900.0
"""Apple asks for 15 minutes after an error of its own."""
AFTER_UPDATES = 1200.0
"""Apple takes a new provider token every 20 minutes at most."""

APNS: tuple[Rule, ...] = (
    Rule((200,), Action.SENT, ""),
    Rule(REDIRECTS, Action.FIX, "redirect"),
    Rule((400,), Action.DROP, "bad_token", ("BadDeviceToken",), doubt="environment"),
    Rule(
        (400,),
        Action.PAUSE,
        "wrong_app",
        ("DeviceTokenNotForTopic", "TopicDisallowed", "BadTopic", "MissingTopic"),
    ),
    Rule(
        (400,),
        Action.FIX,
        "our_mistake",
        (
            "BadCollapseId",
            "BadExpirationDate",
            "BadMessageId",
            "BadPriority",
            "DuplicateHeaders",
            "InvalidPushType",
            "PayloadEmpty",
            "MissingDeviceToken",
        ),
    ),
    Rule((400,), Action.RETRY, "connection_ended", ("IdleTimeout",)),
    Rule((403,), Action.RENEW, "token_refused", ("ExpiredProviderToken",)),
    Rule((403,), Action.PAUSE, "unauthorized"),
    Rule((404, 405), Action.FIX, "our_mistake"),
    Rule((410,), Action.DROP, "gone", ("Unregistered", "ExpiredToken")),
    Rule((413,), Action.FIX, "payload_too_large"),
    Rule((429,), Action.HOLD, "token_updates", ("TooManyProviderTokenUpdates",), wait=AFTER_UPDATES),
    Rule((429,), Action.DELAY, "device_throttled"),
    Rule((503,), Action.RETRY, "connection_ended", ("Shutdown",)),
    Rule(SERVER_ERRORS, Action.RETRY, "gateway_trouble", wait=AFTER_TROUBLE),
    Rule(CLIENT_ERRORS, Action.FIX, "refused"),
)


class _Said(msgspec.Struct):
    reason: str = ""
    timestamp: int | None = None


def outcome_of(answer: Answer, now: dt.datetime) -> Outcome:
    """What this answer of APNs means."""
    if answer.proved != "answered":
        return not_answered(answer)
    if answer.status == 200:
        return Outcome(Action.SENT, status="200", reference=answer.headers.get("apns-id", "")[:100])
    try:
        said = msgspec.json.decode(answer.body, type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = _Said()
    outcome = decide(APNS, answer, signs=(said.reason,), code=said.reason, detail=said.reason, now=now)
    if said.reason == "Unregistered" and said.timestamp is not None:
        return replace(outcome, dead_since=_moment(said.timestamp))
    return outcome


def _moment(milliseconds: int) -> dt.datetime | None:
    try:
        return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
    except (OverflowError, ValueError, OSError):
        return None
