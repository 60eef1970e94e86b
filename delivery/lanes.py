"""Which wave is next. Transactional messages have a lane of their own, which no broadcast delays.

Workers of the lane `NOW` send transactional messages alone. The others take those too, first and between two
micro-batches of whatever they do: at once where `NOW` has no worker, else when it does not get to them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum

from django.conf import settings

from audiences import statements
from audiences.models import Topic
from delivery.models import MessageClass, Wave


class Lane(StrEnum):
    """Its value is the name of the queue of hints: one queue a worker."""

    ORDINARY = "deliver"
    NOW = "deliver-now"


PATIENCE = 0.2
"""Seconds that a transactional message is left to the workers of its own lane."""
LOOK_SECONDS = 0.05
LINE_SECONDS = 1.0
LINE = 50

_EMPTY = """
SELECT t.frees_at FROM delivery_throttle t
WHERE w.per_minute IS NOT NULL AND t.name = 'wave:' || w.id AND t.frees_at > clock_timestamp()
"""
# The order has it look in the index of what is due: without it PostgreSQL reads through all that has gone out already.
_HAS_DUE = """
SELECT FROM delivery_message m
WHERE m.wave_id = w.id AND m.wave_on = w.wave_on AND m.state = 'queued'
  AND m.due_at <= now() - make_interval(secs => {patience})
ORDER BY m.due_at LIMIT 1
"""
# Waves are gone through in random order until enough have been found: not all of thousands are looked at.
_DUE = f"""
SELECT w.id FROM (
    SELECT w.id, w.wave_on FROM delivery_wave w
    WHERE w.state = 'running' AND {{which}} AND NOT EXISTS ({_EMPTY}) ORDER BY random()
) w, LATERAL ({_HAS_DUE}) d LIMIT {{most}}
"""
_ORDINARY = _DUE.format(which="w.message_class <> 'transactional'", patience="0", most=LINE)
_TRANSACTIONAL = _DUE.format(which="w.message_class = 'transactional'", patience="%(patience)s", most=1)
_NEXT_TURN = f"""
SELECT extract(epoch FROM min(t.frees_at) - clock_timestamp())
FROM delivery_wave w, LATERAL ({_EMPTY}) t, LATERAL ({_HAS_DUE.format(patience=0)}) d
WHERE w.state = 'running' AND w.per_minute IS NOT NULL
"""


@dataclass(slots=True)
class Line:
    """Waves that had something due within the last second, in random order. A worker looks them up once, not for each
    claim; whoever comes too late finds nothing to claim."""

    ids: list[int] = field(default_factory=list)
    until: float = 0.0
    looked_at: float = 0.0

    def first(self) -> int | None:
        if not self.ids or time.monotonic() > self.until:
            self.ids = [row[0] for row in statements.rows(_ORDINARY, {})]
            self.until = time.monotonic() + LINE_SECONDS
        return self.ids[0] if self.ids else None

    def done(self, wave_id: int, *, has_more: bool) -> None:
        """To the end with this wave, or out."""
        if wave_id in self.ids:
            self.ids.remove(wave_id)
            if has_more:
                self.ids.append(wave_id)


def lane_of(message_class: str) -> Lane:
    """Whose workers to wake for messages of this class."""
    is_urgent = message_class == MessageClass.TRANSACTIONAL and settings.HEED_TRANSACTIONAL_WORKERS
    return Lane.NOW if is_urgent else Lane.ORDINARY


def next_wave(lane: Lane, line: Line) -> Wave | None:
    """A running wave that has due messages and turns: transactional ones first, else any, so that none starves."""
    patience = 0.0 if lane == Lane.NOW else _patience()
    found = statements.objects(Wave, f"id = ({_TRANSACTIONAL})", {"patience": patience})
    if not found and lane == Lane.ORDINARY and (pk := line.first()) is not None:
        found = statements.objects(Wave, "id = %s", [pk])
    if not found:
        return None
    (wave,) = found
    if wave.topic_id is not None:
        (wave.topic,) = statements.objects(Topic, "id = %s", [wave.topic_id])
    return wave


def must_make_way(line: Line) -> bool:
    """Whether a transactional message waits for longer than its own lane should take. Asked at most every 50 ms."""
    if time.monotonic() - line.looked_at < LOOK_SECONDS:
        return False
    line.looked_at = time.monotonic()
    return _transactional(_patience()) is not None


def _transactional(patience: float) -> int | None:
    rows = statements.rows(_TRANSACTIONAL, {"patience": patience})
    return rows[0][0] if rows else None


def _patience() -> float:
    return PATIENCE if settings.HEED_TRANSACTIONAL_WORKERS else 0.0


def is_due(lane: Lane) -> bool:
    """Whether a worker of this lane would find something to do now."""
    return _transactional(0.0 if lane == Lane.NOW else _patience()) is not None or (
        lane == Lane.ORDINARY and bool(statements.rows(_ORDINARY, {}))
    )


def next_turn() -> float | None:
    """Seconds until a wave that has used up its turns has some again; None where nothing due waits for that."""
    found = statements.rows(_NEXT_TURN, {})[0][0]
    return None if found is None else float(found)
