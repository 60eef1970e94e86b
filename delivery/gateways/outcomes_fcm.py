"""Error code → action for FCM HTTP v1, as data: firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from delivery.gateways.base import Action, Outcome
from delivery.gateways.outcomes import CLIENT_ERRORS, REDIRECTS, SERVER_ERRORS, Rule, decide, not_answered
from delivery.http import Answer

LEAST_RETRY = 10.0
"""Google asks for at least so many seconds before the first retry."""

FIELD = "a field of the message"
DEVICE = "the quota of a device"
"""Signs of ours: BadRequest names a field other than the token; QuotaFailure speaks of a device or topic."""

FCM: tuple[Rule, ...] = (
    Rule((200,), Action.SENT, ""),
    Rule(REDIRECTS, Action.FIX, "redirect"),
    Rule((400,), Action.FIX, "invalid_argument", (FIELD,)),
    Rule((400,), Action.FIX, "invalid_argument", ("INVALID_ARGUMENT",), doubt="token_or_message"),
    Rule((401,), Action.PAUSE, "third_party_auth", ("THIRD_PARTY_AUTH_ERROR",)),
    Rule((401,), Action.RENEW, "token_refused"),
    Rule((403,), Action.PAUSE, "other_project", ("SENDER_ID_MISMATCH",), doubt="project"),
    Rule((403,), Action.PAUSE, "unauthorized"),
    Rule((404,), Action.DROP, "gone", ("UNREGISTERED",)),
    Rule((404,), Action.PAUSE, "unknown_project"),
    Rule((413,), Action.FIX, "payload_too_large"),
    Rule((429,), Action.DELAY, "device_throttled", (DEVICE,)),
    Rule((429,), Action.HOLD, "throttled"),
    Rule(SERVER_ERRORS, Action.RETRY, "gateway_trouble", wait=LEAST_RETRY),
    Rule(CLIENT_ERRORS, Action.FIX, "refused"),
)


class _Error(msgspec.Struct):
    status: str = ""
    message: str = ""
    details: list[dict[str, Any]] = []


class _Said(msgspec.Struct):
    error: _Error = msgspec.field(default_factory=_Error)
    name: str = ""


def outcome_of(answer: Answer, now: dt.datetime) -> Outcome:
    """What this answer of FCM means."""
    if answer.proved != "answered":
        return not_answered(answer, least_wait=LEAST_RETRY)
    try:
        said = msgspec.json.decode(answer.body, type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = _Said(_Error(message=answer.body[:300].decode("utf-8", "replace")))
    if answer.status == 200:
        return Outcome(Action.SENT, status="200", reference=said.name[:500])
    code = next((str(one["errorCode"]) for one in said.error.details if one.get("errorCode")), said.error.status)
    signs = {code, said.error.status, *_signs(said.error)}
    return decide(FCM, answer, signs=signs, code=code, detail=said.error.message, now=now)


def _signs(error: _Error) -> set[str]:
    found = set()
    for detail in error.details:
        kind = str(detail.get("@type", ""))
        if kind.endswith("google.rpc.BadRequest"):
            violations = detail.get("fieldViolations")
            listed = violations if isinstance(violations, list) else []
            fields = [str(one.get("field", "")) for one in listed if isinstance(one, dict)]
            if fields and "message.token" not in fields:
                found.add(FIELD)
        elif kind.endswith("google.rpc.QuotaFailure"):
            # Nobody documents its words; a project's quota names the project or nothing.
            words = f"{detail.get('violations', '')} {error.message}".lower()
            if "device" in words or "topic" in words:
                found.add(DEVICE)
    return found
