"""Status → action for web push, as data. RFC 8030, and the errors that push services document."""

from __future__ import annotations

import datetime as dt

import msgspec

from delivery.gateways.base import Action, Outcome
from delivery.gateways.outcomes import CLIENT_ERRORS, REDIRECTS, SERVER_ERRORS, Rule, decide, not_answered
from delivery.http import Answer

WINDOWS = ".notify.windows.com"
"""The end of the name of Windows' push service, and the sign that an answer is its."""

# Signs: Mozilla's error numbers, "UnauthorizedRegistration" in Google's words, Windows.
WEB_PUSH: tuple[Rule, ...] = (
    Rule((200, 201, 202), Action.SENT, ""),
    Rule(REDIRECTS, Action.FIX, "redirect"),
    Rule((400,), Action.PAUSE, "unauthorized", ("UnauthorizedRegistration", "errno 109")),
    Rule((400,), Action.FIX, "invalid_ttl_or_topic", ("errno 111", "errno 112", "errno 113", "errno 114")),
    Rule((400,), Action.FIX, "encryption_refused", ("errno 101", "errno 108", "errno 110")),
    Rule((400,), Action.FIX, "bad_request"),
    Rule((401, 403), Action.PAUSE, "unauthorized"),
    Rule((404, 410), Action.DROP, "gone"),
    Rule((406,), Action.HOLD, "throttled", (WINDOWS,)),
    Rule((413,), Action.FIX, "payload_too_large"),
    Rule((429,), Action.HOLD, "throttled"),
    Rule((503,), Action.RETRY, "gateway_trouble", ("errno 202",), wait=10),
    Rule(SERVER_ERRORS, Action.RETRY, "gateway_trouble"),
    Rule(CLIENT_ERRORS, Action.FIX, "refused"),
)


def outcome_of(answer: Answer, *, host: str, now: dt.datetime) -> Outcome:
    """What this answer of the push service at `host` means."""
    if answer.proved != "answered":
        return not_answered(answer)
    if answer.status in WEB_PUSH[0].statuses:
        granted = answer.headers.get("ttl", "")
        return Outcome(
            Action.SENT,
            status=str(answer.status),
            reference=answer.headers.get("location", "")[:500],
            ttl_granted=int(granted) if granted.isdecimal() and len(granted) < 10 else None,
        )
    errno, text = _error(answer.body)
    text += answer.headers.get("x-wns-error-description", "")
    code = f"errno {errno}" if errno else ""
    signs = {code, "UnauthorizedRegistration" if "UnauthorizedRegistration" in text else ""}
    if host.endswith(WINDOWS):
        signs.add(WINDOWS)
    return decide(WEB_PUSH, answer, signs=signs, code=code, detail=text, now=now)


def _error(body: bytes) -> tuple[int, str]:
    """(errno, text) of an error's body: Mozilla answers JSON with an errno, others plain words."""
    text = body[:2000].decode("utf-8", "replace")
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0, text
    errno = said.get("errno", 0) if isinstance(said, dict) else 0
    return (errno if isinstance(errno, int) else 0), text
