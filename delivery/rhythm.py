"""FCM's rhythm: large runs begin slowly and stay away from the quarter hours.

Google asks senders to go from nothing to their full rate over at least 60 seconds, and to avoid the two minutes before
and after :00, :15, :30 and :45, when everybody else sends. Transactional messages and small runs are free of both.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

from audiences import statements
from delivery.models import MessageClass, Wave

LARGE = 2_000
MOST_A_MINUTE = 600_000
RAMP_SECONDS = 60.0
QUARTER = 900
AROUND = 120
MIX = 2_654_435_761
SOON = 600
REASONS = ("fcm_ramp", "fcm_quarter_hour")


def quiet_around(at: dt.datetime, *, margin: float = 0) -> dt.datetime | None:
    """The end of the quarter hour's quiet that `at` lies in; it begins `margin` seconds early."""
    into = (at.timestamp() + AROUND + margin) % QUARTER
    if into < 2 * AROUND + margin:
        return at + dt.timedelta(seconds=2 * AROUND + margin - into)
    return None


def next_quiet(at: dt.datetime, *, margin: float = 0) -> dt.datetime:
    """When the next quiet after `at` begins, `margin` seconds early."""
    into = (at.timestamp() + AROUND + margin) % QUARTER
    return at + dt.timedelta(seconds=QUARTER - into)


@dataclass(frozen=True, slots=True)
class Release:
    """When one push may go: at once while `good_until` has not passed, or from `frees_at` on, for `reason`."""

    frees_at: dt.datetime | None
    good_until: dt.datetime | None
    reason: str = ""


def binds(wave: Wave) -> bool:
    """Whether the rhythm is kept with this wave's FCM pushes. One that still grows (a day of the send API) is as large
    as what is to go within ten minutes: one query then."""
    if wave.message_class == MessageClass.TRANSACTIONAL:
        return False
    return (_waiting(wave) if grows(wave) else wave.planned_count) >= LARGE


def grows(wave: Wave) -> bool:
    """Whether more messages may come to this wave, each with a time of its own."""
    return wave.planned_at is None


_WAITING = f"""
SELECT count(*) FROM (
    (SELECT FROM delivery_message m WHERE {{mine}} AND m.state = 'queued' LIMIT {LARGE})
    UNION ALL
    (SELECT FROM delivery_message m WHERE {{mine}} AND m.state IN ('claimed', 'pushing') LIMIT {LARGE})
) open
""".format(
    mine="m.wave_id = %(wave)s AND m.wave_on = %(wave_on)s AND m.due_at < now() + make_interval(secs => %(within)s)"
)


def _waiting(wave: Wave) -> int:
    """How many of its messages are to go now or soon; of those that wait, and of those on their way, LARGE are enough."""
    rows = statements.rows(_WAITING, {"wave": wave.pk, "wave_on": wave.wave_on, "within": SOON})
    return int(rows[0][0])


def release(wave: Wave, number: int, *, now: dt.datetime, margin: float, began: dt.datetime | None = None) -> Release:
    """When the push to profile `number` may go. `margin` is the longest time in seconds from a decision to its POST;
    `began`: when its run begins, where that is not when its wave did."""
    began = began or wave.running_at or wave.due_at
    turn = dt.timedelta(seconds=_turn(number, max(wave.planned_count, LARGE)))
    if wave.exact_time:
        frees = began + turn
        return Release(frees, None, "fcm_ramp") if frees > now else Release(None, None)
    quiet_ends = quiet_around(now, margin=margin)
    if quiet_ends:
        return Release(quiet_ends + turn, None, "fcm_quarter_hour")
    starts = max(quiet_around(began, margin=margin) or began, _last_quiet_end(now, margin=margin))
    ends = next_quiet(now, margin=margin)
    frees = starts + turn
    if frees >= ends:
        after = quiet_around(ends, margin=margin) or ends
        return Release(after + turn, None, "fcm_quarter_hour")
    return Release(frees, None, "fcm_ramp") if frees > now else Release(None, ends)


def _turn(number: int, size: int) -> float:
    """Seconds into the ramp: the rate grows evenly, so the square root of an evenly scattered place."""
    place = (number * MIX % 2**32) / 2**32
    within = min(1.0, MOST_A_MINUTE / 60 * RAMP_SECONDS / 2 / size)
    return RAMP_SECONDS * math.sqrt(min(place / within, 1.0))


def _last_quiet_end(at: dt.datetime, *, margin: float) -> dt.datetime:
    """When the last quiet before `at` ended; `at` lies in none."""
    into = (at.timestamp() + AROUND + margin) % QUARTER
    return at - dt.timedelta(seconds=into - 2 * AROUND - margin)
