"""What an answer means: the rules' form, and what they share. The tables themselves: outcomes_webpush, _fcm, _apns."""

from __future__ import annotations

import datetime as dt
import email.utils
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from delivery.gateways.base import Action, Outcome
from delivery.http import Answer

DEFAULT_WAIT = 60.0
LEAST_WAIT, MOST_WAIT = 1.0, 3600.0
REDIRECTS = (301, 302, 303, 307, 308)
CLIENT_ERRORS, SERVER_ERRORS = tuple(range(400, 500)), tuple(range(500, 600))


@dataclass(frozen=True, slots=True)
class Rule:
    """The first rule that fits decides.

    `signs`: what a gateway's own words must hold one of; none means any answer of that status. `wait`: at least so many
    seconds, whatever the answer asks for; a HOLD or DELAY without a time waits a minute. `doubt`: alone such an answer
    does not say who is wrong; doubts.py decides by what came with it, and `action` stands until then.
    """

    statuses: tuple[int, ...]
    action: Action
    reason: str
    signs: tuple[str, ...] = ()
    wait: float | None = None
    doubt: str = ""


NOT_ANSWERED: Mapping[str, Outcome] = {
    "never_sent": Outcome(Action.RETRY, "not_reached"),
    "not_begun": Outcome(Action.NOT_BEGUN, "not_begun"),
    "unknown": Outcome(Action.UNKNOWN, "no_answer"),
    "unsafe": Outcome(Action.FIX, "unsafe_address"),
}


def not_answered(answer: Answer, *, least_wait: float | None = None) -> Outcome:
    """What an answer that stayed away means. `least_wait`: before a retry, in seconds."""
    plain = NOT_ANSWERED[answer.proved]
    wait = least_wait if plain.action == Action.RETRY else None
    return Outcome(plain.action, plain.reason, detail=answer.detail[:300], wait=wait)


def decide(
    table: Sequence[Rule],
    answer: Answer,
    *,
    now: dt.datetime,
    signs: Collection[str] = (),
    code: str = "",
    detail: str = "",
) -> Outcome:
    """The outcome of an answer that came, by the first rule that fits. `code`: the gateway's own short word for it."""
    rule = next((one for one in table if _fits(one, answer.status, signs)), None)
    status = f"{answer.status} {code}"[:60] if code else str(answer.status)
    if rule is None:
        return Outcome(Action.UNKNOWN, "no_answer", status=status, detail=detail[:300])
    asked = answer.headers.get("retry-after")
    wait = None
    if asked is not None:
        wait = retry_after(asked, now=now)
        if wait != _asked_for(asked, now=now):
            detail = f"Retry-After {asked[:40]!r} is taken for {wait:g} s. {detail}"
    if rule.wait is not None:
        wait = max(wait or 0.0, rule.wait)
    if rule.action in (Action.HOLD, Action.DELAY) and wait is None:
        wait = DEFAULT_WAIT
    return Outcome(rule.action, rule.reason, status=status, detail=detail[:300], wait=wait, doubt=rule.doubt)


def retry_after(said: str, *, now: dt.datetime) -> float:
    """Seconds to wait: a number or an HTTP date, held between 1 s and 60 min; what is neither means 60 s."""
    seconds = _asked_for(said, now=now)
    return DEFAULT_WAIT if seconds is None else min(max(seconds, LEAST_WAIT), MOST_WAIT)


def _asked_for(said: str, *, now: dt.datetime) -> float | None:
    said = said.strip()
    if re.fullmatch(r"[+-]?\d{1,20}", said):
        return float(said)
    try:
        return (email.utils.parsedate_to_datetime(said) - now).total_seconds()
    except (TypeError, ValueError):
        return None


def _fits(rule: Rule, status: int, signs: Collection[str]) -> bool:
    return status in rule.statuses and (not rule.signs or any(sign in signs for sign in rule.signs))
