"""Status → action for web push, as data. RFC 8030, and the errors that push services document."""

from __future__ import annotations

import datetime as dt
import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from delivery.gateways.base import Action, Outcome
from delivery.http import Answer

DEFAULT_WAIT = 60.0
LEAST_WAIT, MOST_WAIT = 1.0, 3600.0


@dataclass(frozen=True, slots=True)
class Rule:
    """The first rule that fits decides. `errno` are Mozilla's numbers, `text` is sought in the body or its headers;
    `host` is the end of the push service's name."""

    statuses: tuple[int, ...]
    action: Action
    reason: str
    errno: tuple[int, ...] = ()
    text: str = ""
    host: str = ""


WEB_PUSH: tuple[Rule, ...] = (
    Rule((200, 201, 202), Action.SENT, ""),
    Rule((301, 302, 303, 307, 308), Action.FIX, "redirect"),
    Rule((400,), Action.PAUSE, "unauthorized", text="UnauthorizedRegistration"),
    Rule((400,), Action.PAUSE, "unauthorized", errno=(109,)),
    Rule((400,), Action.FIX, "invalid_ttl_or_topic", errno=(111, 112, 113, 114)),
    Rule((400,), Action.FIX, "encryption_refused", errno=(101, 108, 110)),
    Rule((400,), Action.FIX, "bad_request"),
    Rule((401, 403), Action.PAUSE, "unauthorized"),
    Rule((404, 410), Action.DROP, "gone"),
    Rule((406,), Action.HOLD, "throttled", host=".notify.windows.com"),
    Rule((413,), Action.FIX, "payload_too_large"),
    Rule((429,), Action.HOLD, "throttled"),
    Rule((500, 502, 503, 504), Action.RETRY, "gateway_trouble"),
    Rule(tuple(range(500, 600)), Action.RETRY, "gateway_trouble"),
    Rule(tuple(range(400, 500)), Action.FIX, "refused"),
)

_NOT_ANSWERED: Mapping[str, Outcome] = {
    "never_sent": Outcome(Action.RETRY, "not_reached"),
    "not_begun": Outcome(Action.NOT_BEGUN, "not_begun"),
    "unknown": Outcome(Action.UNKNOWN, "no_answer"),
    "unsafe": Outcome(Action.FIX, "unsafe_address"),
}


def outcome_of(answer: Answer, *, host: str, now: dt.datetime) -> Outcome:
    """What this answer of the push service at `host` means."""
    if answer.proved != "answered":
        plain = _NOT_ANSWERED[answer.proved]
        return Outcome(plain.action, plain.reason, detail=answer.detail[:300])
    errno, text = _error(answer.body)
    text += "".join(value for key, value in answer.headers.items() if key.lower() == "x-wns-error-description")
    rule = next((r for r in WEB_PUSH if _fits(r, answer.status, errno, text, host)), None)
    if rule is None:
        return Outcome(Action.UNKNOWN, "no_answer", status=str(answer.status), detail=text[:300])
    headers = {key.lower(): value for key, value in answer.headers.items()}
    if rule.action == Action.SENT:
        granted = headers.get("ttl", "")
        return Outcome(
            Action.SENT,
            status=str(answer.status),
            reference=headers.get("location", "")[:500],
            ttl_granted=int(granted) if granted.isdigit() and len(granted) < 10 else None,
        )
    asked = headers.get("retry-after")
    wait = retry_after(asked, now=now) if asked is not None else None
    if rule.action == Action.HOLD and wait is None:
        wait = DEFAULT_WAIT
    status = f"{answer.status} errno {errno}" if errno else str(answer.status)
    return Outcome(rule.action, rule.reason, status=status, detail=text[:300], wait=wait)


def retry_after(said: str, *, now: dt.datetime) -> float:
    """Seconds to wait: a number or an HTTP date, held between 1 s and 60 min; what is neither means 60 s."""
    said = said.strip()
    if re.fullmatch(r"[+-]?\d{1,20}", said):
        return min(max(float(said), LEAST_WAIT), MOST_WAIT)
    try:
        seconds = (email.utils.parsedate_to_datetime(said) - now).total_seconds()
    except (TypeError, ValueError):
        return DEFAULT_WAIT
    return min(max(seconds, LEAST_WAIT), MOST_WAIT)


def _fits(rule: Rule, status: int, errno: int, text: str, host: str) -> bool:
    return (
        status in rule.statuses
        and (not rule.errno or errno in rule.errno)
        and (not rule.text or rule.text in text)
        and (not rule.host or host.endswith(rule.host))
    )


def _error(body: bytes) -> tuple[int, str]:
    """(errno, text) of an error's body: Mozilla answers JSON with an errno, others plain words."""
    text = body[:2000].decode("utf-8", "replace")
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0, text
    errno = said.get("errno", 0) if isinstance(said, dict) else 0
    return (errno if isinstance(errno, int) else 0), text
