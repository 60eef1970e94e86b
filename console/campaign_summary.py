"""What a campaign would do, in sentences, before it is launched."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import OperationalError, connection, transaction

from audiences.durations import in_words
from audiences.models import Segment
from audiences.segments import audience
from audiences.segments.comparing_sql import Sql
from audiences.segments.language import InvalidRule
from audiences.segments.sql import LIVE_DEVICE
from campaigns.results.power import smallest_lift
from campaigns.unserved import Kind, is_of, unserved_kinds

COUNTING_SECONDS = 3
KEPT_SECONDS, MOST_KEPT = 60.0, 200
BEYOND_HOPE = 3.0
"""No push makes four times as many people do something."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Profiles in the audience now, those with a live device that a credential serves, and those who did the goal without the message."""

    people: int
    reachable: int
    converting: int


@dataclass(frozen=True, slots=True)
class Summary:
    """`reach` is None where nobody was chosen yet or counting took too long; `trouble` then says which."""

    reach: Reach | None
    control_percent: int
    goal_event: str
    goal_hours: int
    trouble: str = ""

    @property
    def left_alone(self) -> int:
        return self.reach.reachable * self.control_percent // 100 if self.reach else 0

    @property
    def told(self) -> int:
        return self.reach.reachable - self.left_alone if self.reach else 0

    @property
    def base(self) -> float:
        """The share of the audience that does the goal anyway in such a window, 0–1."""
        return self.reach.converting / self.reach.people if self.reach and self.reach.people else 0.0

    def detectable(self) -> str:
        """The smallest effect that the report will be able to show, as a sentence; empty where it cannot be said."""
        if not self.reach or not self.goal_event or not self.left_alone:
            return ""
        days = in_words(dt.timedelta(hours=self.goal_hours))
        if not self.base:
            return f"Nobody in this audience did “{self.goal_event}” in the last {days}, so no lift can be foretold."
        lift = smallest_lift(self.base, told=self.told, control=self.left_alone)
        usual = f"{self.base:.1%} of them do “{self.goal_event}” within {days} anyway"
        if lift is None or lift > BEYOND_HOPE:
            few = f"With {self.left_alone:,} left alone no effect that one may hope for can be shown"
            return f"{usual}. {few}: take a larger audience."
        return (
            f"{usual}. The report can show a lift of {lift:.0%} or more "
            f"(to {self.base * (1 + lift):.1%}), four times in five."
        )


_kept: dict[tuple[object, ...], tuple[float, Reach | None]] = {}  # what was asked → until when, and the answer
_lock = threading.Lock()


def forget() -> None:
    """Count anew."""
    with _lock:
        _kept.clear()


def summarise(
    included: Sequence[Segment],
    excluded: Sequence[Segment],
    *,
    control_percent: int,
    goal_event: str,
    goal_hours: int,
    now: dt.datetime,
) -> Summary:
    """Count the audience, or say what it was within the last minute: its form asks whenever anything else in it changes.
    Three statements; the one that counts is stopped after COUNTING_SECONDS."""
    reach, trouble = None, ""
    if not included:
        trouble = "Choose a segment, and the count appears here."
    else:
        try:
            reach = _reach(included, excluded, goal_event=goal_event, goal_hours=goal_hours, now=now)
        except InvalidRule as invalid:
            trouble = f"A segment's rule is not valid: {invalid}"
        else:
            if reach is None:
                trouble = "This audience takes longer to count than this page waits. It can be launched all the same."
    return Summary(reach, control_percent, goal_event, goal_hours, trouble)


def _reach(
    included: Sequence[Segment], excluded: Sequence[Segment], *, goal_event: str, goal_hours: int, now: dt.datetime
) -> Reach | None:
    """None where counting took too long."""
    members = audience.members(included, excluded, now=now)
    kinds = unserved_kinds()
    rules = [[segment.rule for segment in segments] for segments in (included, excluded)]
    asked = (json.dumps(rules, sort_keys=True), tuple(kinds), goal_event, goal_hours)
    with _lock:
        until, reach = _kept.get(asked, (0.0, None))
    if until > time.monotonic():
        return reach
    try:
        reach = _counted(members, kinds, goal_event=goal_event, since=now - dt.timedelta(hours=goal_hours), now=now)
    except OperationalError:
        reach = None
    with _lock:
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        _kept[asked] = time.monotonic() + KEPT_SECONDS, reach
    return reach


def _counted(members: Sql, unserved: Sequence[Kind], *, goal_event: str, since: dt.datetime, now: dt.datetime) -> Reach:
    (statement, params), (is_unserved, kinds) = members, is_of(unserved)
    with transaction.atomic(), connection.cursor() as cursor:
        audience.make_room(cursor)
        cursor.execute(f"SET LOCAL statement_timeout = '{COUNTING_SECONDS}s'")
        cursor.execute(
            f"""
            WITH member AS MATERIALIZED ({statement})
            SELECT count(*),
                   count(*) FILTER (WHERE id IN (
                       SELECT profile_id FROM audiences_device WHERE {LIVE_DEVICE} AND NOT {is_unserved})),
                   count(*) FILTER (WHERE id IN (
                       SELECT profile_id FROM audiences_event
                       WHERE name = %s AND occurred_at > %s AND occurred_at <= %s))
            FROM member
            """,
            [*params, *kinds, goal_event, since, now],
        )
        return Reach(*cursor.fetchone())
