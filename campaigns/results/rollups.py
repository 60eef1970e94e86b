"""Keeps the sums of large campaigns, so that a report over a million messages opens as fast as one over a hundred.

A small wave is counted whenever its report is opened. A large one is counted in the background: every 15 seconds at
first, then less and less often, and never for more than a twentieth of the time.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from campaigns.models import Campaign, Rollup
from campaigns.results.outcomes import Goal, Sum, series, sums
from delivery.models import Wave

LARGE = 20_000
OFTEN = dt.timedelta(seconds=15)
SHARE = 20
SHORT = dt.timedelta(hours=4)
OPT_OUTS = dt.timedelta(days=1)

Point = tuple[dt.datetime, str, int]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a report is made of. `at` is None where it was counted just now."""

    sums: list[Sum]
    series: list[Point]
    grain: str
    at: dt.datetime | None = None


def counted(wave: Wave, goal: Goal, *, now: dt.datetime) -> Counted:
    """The wave's sums: of a large one as counted last, unless that is long ago; else counted now."""
    if wave.planned_count >= LARGE:
        kept = Rollup.objects.filter(pk=wave.pk, counted_at__lte=now).first()
        if kept is not None and (kept.is_final or now - kept.counted_at <= 3 * _interval(kept, wave)):
            return Counted(
                msgspec.convert(kept.sums, list[Sum]),
                msgspec.convert(kept.series, list[Point]),
                kept.grain,
                kept.counted_at,
            )
    return count(wave, goal, now=now)


def count(wave: Wave, goal: Goal, *, now: dt.datetime) -> Counted:
    """Count now. Two statements over the wave's own partition."""
    # In the first hours an hour is too coarse to see anything.
    grain = "minute" if now - wave.due_at < SHORT else "hour"
    return Counted(sums(wave, goal), series(wave, goal, grain=grain), grain)


def due(*, now: dt.datetime) -> Iterator[tuple[Wave, Goal]]:
    """Large waves of campaigns whose sums are older than they should be, those never counted first."""
    waves = Wave.objects.filter(planned_count__gte=LARGE, planned_at__lte=now, content_source="campaign")
    done = set(Rollup.objects.filter(is_final=True).values_list("pk", flat=True))
    open_waves = [wave for wave in waves.order_by("pk") if wave.pk not in done]
    kept = Rollup.objects.in_bulk([wave.pk for wave in open_waves])
    goals = {
        campaign.origin: Goal(campaign.goal_event, dt.timedelta(hours=campaign.goal_hours))
        for campaign in Campaign.objects.filter(pk__in=[int(wave.origin.partition(":")[2]) for wave in open_waves])
    }
    for wave in sorted(open_waves, key=lambda wave: wave.pk in kept):
        rollup = kept.get(wave.pk)
        if wave.origin in goals and (rollup is None or now - rollup.counted_at >= _interval(rollup, wave)):
            yield wave, goals[wave.origin]


def renew(wave: Wave, goal: Goal, *, now: dt.datetime) -> None:
    """Count this wave and keep its sums."""
    began = time.monotonic()
    found = count(wave, goal, now=now)
    Rollup.objects.update_or_create(
        wave=wave,
        defaults={
            "grain": found.grain,
            "sums": msgspec.to_builtins(found.sums),
            "series": msgspec.to_builtins(found.series),
            "counted_at": now,
            "took_seconds": time.monotonic() - began,
            # A click may come at the message's very end, and its goal a window later.
            "is_final": wave.finished_at is not None and now > wave.expires_at + 2 * goal.window + OPT_OUTS,
        },
    )


def _interval(rollup: Rollup, wave: Wave) -> dt.timedelta:
    """How old the sums may become: what is long under way changes slowly."""
    return max(OFTEN, SHARE * dt.timedelta(seconds=rollup.took_seconds), (rollup.counted_at - wave.due_at) / 50)
