"""Quiet hours: by the profile's wall clock, at the moment of the intent."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@lru_cache(maxsize=700)
def zone_named(name: str) -> ZoneInfo | None:
    """The zone, or None where there is no such one (`Mars/Phobos`, or nothing at all)."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def is_quiet(now: dt.datetime, *, zone: ZoneInfo, start: dt.time, end: dt.time) -> bool:
    """Whether the wall clock stands in [start, end). The same times mean no quiet hours."""
    local = now.astimezone(zone).time()
    if start == end:
        return False
    return start <= local < end if start < end else local >= start or local < end


@lru_cache(maxsize=4096)
def boundary(now: dt.datetime, *, zone: ZoneInfo, wall: dt.time, last: bool) -> dt.datetime:
    """The next moment (UTC) at which the wall clock reads `wall`.

    In a gap the offset before it holds (RFC 5545). In an overlap the first occurrence counts, or with `last` the
    second: whoever is released is never released inside quiet hours.
    """
    day = now.astimezone(zone).date()
    for ahead in range(4):
        naive = dt.datetime.combine(day + dt.timedelta(days=ahead), wall)
        moment = naive.replace(tzinfo=zone, fold=0).astimezone(dt.UTC)
        if last:
            second = naive.replace(tzinfo=zone, fold=1).astimezone(dt.UTC)
            # In a gap fold=1 lies before fold=0: only an overlap's second reading is later.
            moment = max(moment, second)
        if moment > now:
            return moment
    raise ValueError(f"{wall} does not come within four days of {now} in {zone}")  # no zone skips so long
