"""When a push is tried again: at most five numbered attempts, each later, never past its end."""

from __future__ import annotations

import datetime as dt
import random

from django.conf import settings
from msgspec.structs import replace

from delivery.gateways.base import Action
from delivery.models import Wave
from delivery.parcel import Sending

MOST_ATTEMPTS = 5
BACKOFF, MOST_BACKOFF = 10.0, 900.0
HELD_SECONDS = 30
MOST_RETRYING = dt.timedelta(minutes=60)
GIVEN_UP = ("attempts_exhausted", "expired_in_retry")
"""Reasons for which a push was given up although its message was right."""

_AGAIN = (Action.RETRY, Action.HOLD, Action.DELAY, Action.SWITCH)


def weigh(one: Sending, wave: Wave, *, now: dt.datetime) -> None:
    """Set when this push is due again, if at all, and turn its outcome into a final one where it is not."""
    outcome = one.outcome
    assert outcome is not None
    if outcome.action == Action.UNKNOWN and wave.must_arrive and one.attempt < MOST_ATTEMPTS:
        # The copy has the same tag and collapse key: it replaces the first.
        one.outcome = outcome = replace(outcome, action=Action.RETRY)
    if outcome.action == Action.NOT_BEGUN:
        one.attempt -= 1
        one.due_at = now + dt.timedelta(seconds=(outcome.wait or 0.0) * settings.HEED_TIME_SCALE)
    elif outcome.action == Action.PAUSE:
        # Our own fault: it costs the push no attempt.
        one.attempt -= 1
        one.due_at = now + dt.timedelta(seconds=HELD_SECONDS * settings.HEED_TIME_SCALE)
    elif outcome.action in _AGAIN:
        one.due_at = now + dt.timedelta(seconds=_wait(one))
        end = one.expires_at
        if one.earlier and outcome.action in (Action.RETRY, Action.DELAY):
            end = min(end, one.earlier.intent_at + MOST_RETRYING * settings.HEED_TIME_SCALE)
        if one.attempt >= MOST_ATTEMPTS or one.due_at >= end:
            reason = GIVEN_UP[0] if one.attempt >= MOST_ATTEMPTS else GIVEN_UP[1]
            one.outcome = replace(outcome, action=Action.FIX, reason=reason)


def _wait(one: Sending) -> float:
    """Seconds: backoff with full jitter, or longer where the gateway asks for it."""
    assert one.outcome is not None
    if one.outcome.action == Action.SWITCH:
        return 0.0
    backoff = random.uniform(0.1, 1) * min(BACKOFF * 2 ** (one.attempt - 1), MOST_BACKOFF)
    return float(max(one.outcome.wait or 0.0, backoff) * settings.HEED_TIME_SCALE)
