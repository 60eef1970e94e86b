"""Origins that are left alone: because they asked to, because they fail, or because they refuse our configuration.

A hold ends at `until`, or (None) when somebody resumes it. A broken origin's is different: at `until` one single push of
all workers may try it, and moves `until` on by doing so; only an answer ends the hold.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.conf import settings
from django.db import connection

from audiences import statements
from delivery.gateways.base import Action, Outcome
from delivery.models import Credential, Hold, Loss, Wave
from delivery.models.credential import BROKEN

Place = tuple[int, str]
"""A credential's id and an origin: what is held, paused or broken together."""
EVERYWHERE = ""
"""The origin that stands for all of a credential's."""

PAUSED = "credential_paused"
PAUSE_AFTER = 5
PAUSE_SHARE = 0.01
PAUSE_SHARE_LEAST = 500
BREAK_AFTER = 20
BREAK_SHARE = 0.5
BREAK_WINDOW = 50
BREAK_SECONDS = 30.0
DOUBT_WINDOW = 500
DOUBT_SHARE = 0.05
DOUBT_LEAST = 5
_NO_ANSWER = (Action.RETRY, Action.UNKNOWN, Action.NOT_BEGUN, Action.HOLD, Action.PAUSE)


@dataclass(slots=True)
class _Origin:
    refused_in_a_row: int = 0
    refused: int = 0
    answered: int = 0
    failed_in_a_row: int = 0
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=BREAK_WINDOW))
    doubted: deque[bool] = field(default_factory=lambda: deque(maxlen=DOUBT_WINDOW))


class Watch:
    """What one worker has seen of each origin. It decides when to write a hold, which all workers then obey."""

    def __init__(self) -> None:
        self._origins: defaultdict[Place, _Origin] = defaultdict(_Origin)
        self._trying: set[Place] = set()

    def see(self, place: Place, outcome: Outcome) -> tuple[str, float | None] | None:
        """Take one outcome in. (reason, seconds) where the place must now be held; None seconds: until resumed."""
        if outcome.action == Action.NOT_BEGUN and outcome.wait is not None:
            return outcome.reason, outcome.wait
        if outcome.action in (Action.NOT_BEGUN, Action.DELAY, Action.SWITCH):
            return None
        seen = self._origins[place]
        seen.answered += 1
        if outcome.action == Action.SENT:
            seen.doubted.append(False)
        if outcome.action == Action.HOLD:
            return outcome.reason, outcome.wait
        refused = outcome.action == Action.PAUSE
        seen.refused_in_a_row = seen.refused_in_a_row + 1 if refused else 0
        seen.refused += refused
        if refused and (
            seen.refused_in_a_row >= PAUSE_AFTER
            or (seen.answered >= PAUSE_SHARE_LEAST and seen.refused > PAUSE_SHARE * seen.answered)
        ):
            self._origins[place] = _Origin()
            return outcome.reason, None
        failed = outcome.action in (Action.RETRY, Action.UNKNOWN)
        seen.failed_in_a_row = seen.failed_in_a_row + 1 if failed else 0
        seen.recent.append(failed)
        if failed and (
            seen.failed_in_a_row >= BREAK_AFTER
            or (len(seen.recent) == BREAK_WINDOW and sum(seen.recent) >= BREAK_SHARE * BREAK_WINDOW)
        ):
            self._origins[place] = _Origin()
            return BROKEN, BREAK_SECONDS
        return None

    def count_doubts(self, place: Place, count: int) -> None:
        """Take in how many answers blamed the address."""
        self._origins[place].doubted.extend([True] * count)

    def blames_us(self, place: Place, *, accepted: int) -> bool:
        """So many addresses are refused that it is not they who are wrong: no other is taken, or one in twenty of the
        last 500 is not (fewer than five prove nothing). `accepted`: how many were taken beside them just now."""
        seen = self._origins[place].doubted
        doubted, answered = sum(seen), len(seen) + accepted
        return doubted == answered or (doubted >= DOUBT_LEAST and doubted > DOUBT_SHARE * answered)

    def tries(self, place: Place) -> None:
        """A push of this worker's is the one that tries a broken origin."""
        self._trying.add(place)

    def recovered(self, place: Place, outcome: Outcome) -> bool:
        """Whether this was the push that tried a broken origin, and it was answered."""
        if place not in self._trying:
            return False
        self._trying.discard(place)
        if outcome.action in _NO_ANSWER:
            return False
        self._origins.pop(place, None)
        return True


def hold(place: Place, *, reason: str, seconds: float | None, detail: str, now: dt.datetime) -> None:
    """Leave a place alone, for `seconds` or (None) until someone resumes it. A longer hold is never shortened."""
    until = None if seconds is None else now + dt.timedelta(seconds=seconds)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO delivery_hold AS h (credential_id, origin, until, reason, detail, since)
            VALUES (%s, %s, %s, %s, %s, %s)
            ON CONFLICT (credential_id, origin) DO UPDATE
                SET until = excluded.until, reason = excluded.reason, detail = excluded.detail,
                    since = CASE h.reason WHEN excluded.reason THEN h.since ELSE excluded.since END
                WHERE h.until IS NOT NULL AND (excluded.until IS NULL OR excluded.until > h.until)
            """,
            [*place, until, reason, detail[:1000], now],
        )


def pause(credential: Credential, *, because: str, now: dt.datetime) -> None:
    """Nothing goes out with this credential until somebody resumes it."""
    hold((credential.pk, EVERYWHERE), reason=PAUSED, seconds=None, detail=because, now=now)


def in_force(*, now: dt.datetime) -> dict[Place, Hold]:
    """What is left alone now. One query."""
    found = statements.objects(Hold, "until IS NULL OR until > %s OR reason = %s", [now, BROKEN])
    return {(hold.credential_id, hold.origin): hold for hold in found}


def may_try(hold: Hold, *, is_fresh: bool, now: dt.datetime) -> bool:
    """Whether one push of the caller's may go to this broken origin: of all workers who ask, one may, each 30 s.

    Attempts are numbered and few: a push that has had one tries only where no fresh one did for another 30 s.
    """
    later = dt.timedelta(seconds=BREAK_SECONDS * settings.HEED_TIME_SCALE)
    if hold.reason != BROKEN or hold.until is None or now < hold.until + (later * 0 if is_fresh else later):
        return False
    won = Hold.objects.filter(pk=hold.pk, reason=BROKEN, until=hold.until).update(until=now + later)
    hold.until = now + later
    return won == 1


def end_trouble(place: Place) -> None:
    """A broken origin answers again: everything may go there."""
    Hold.objects.filter(credential_id=place[0], origin=place[1], reason=BROKEN).delete()


def resume(holds: Iterable[Hold]) -> int:
    """Someone looked and says go on; dead addresses are counted anew. Returns how many were lifted."""
    lifted = 0
    for hold in holds:
        lifted += Hold.objects.filter(pk=hold.pk).delete()[0]
        Loss.objects.filter(credential_id=hold.credential_id, origin=hold.origin).update(count=0)
    return lifted


def pause_wave(wave: Wave, *, because: str) -> bool:
    """The wave waits for a person, who reads why. Returns whether it was going out.

    A day of the send API goes on: what is wrong with one program's messages must not stop what others send.
    """
    going_out = Wave.objects.filter(pk=wave.pk, state=Wave.State.RUNNING).exclude(origin=Wave.SEND_API)
    return bool(going_out.update(state=Wave.State.PAUSED, state_reason=because))
