"""How far waves have come, from the sums that delivery keeps: nothing here costs more for a larger wave."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from delivery import tally
from delivery.models import Message, Wave
from delivery.tally import RATE_SECONDS, Counts

State = Message.State
OPEN = {State.QUEUED, State.CLAIMED, State.PUSHING}
HELD_BACK = {State.SUPPRESSED, State.EXPIRED}
FAILED = {State.REJECTED, State.DROPPED}
LEAST_SECONDS = 5.0
BAR = 1000


@dataclass(slots=True)
class Progress:
    """Counts of profiles; every property but `planned` is of those that are decided, unless it says otherwise."""

    wave: Wave
    counts: Counts = field(default_factory=Counts)

    @property
    def states(self) -> Counter[str]:
        """How many ended in each state."""
        found: Counter[str] = Counter()
        for (state, _), n in self.counts.messages.items():
            if state not in OPEN:
                found[state] += n
        return found

    @property
    def planned(self) -> int:
        return max(self.wave.planned_count, self.done)

    @property
    def done(self) -> int:
        return sum(self.states.values())

    @property
    def open(self) -> int:
        return self.planned - self.done

    @property
    def waiting(self) -> int:
        """Of the open ones those that cannot go now, each for a reason."""
        return min(sum(n for (state, _), n in self.counts.messages.items() if state == State.QUEUED), self.open)

    @property
    def percent(self) -> int:
        """Rounded down, so that only what is complete says 100."""
        return 100 * self.done // self.planned if self.planned else 0

    @property
    def sent(self) -> int:
        return self.states[State.SENT]

    @property
    def held_out(self) -> int:
        return self.states[State.HELD_OUT]

    @property
    def held_back(self) -> int:
        return sum(self.states[state] for state in HELD_BACK)

    @property
    def failed(self) -> int:
        return sum(self.states[state] for state in FAILED)

    @property
    def unknown(self) -> int:
        return self.states[State.UNKNOWN]

    @property
    def sent_lately(self) -> int:
        """Sent in the 60 seconds before."""
        return self.counts.sent_lately

    def bar(self) -> list[tuple[str, int, int]]:
        """(kind, from, width) of the parts of a bar that is BAR wide, in order; what is open is left empty, but what
        waits stands at its end."""
        if not self.planned:
            return []
        parts: list[tuple[str, int, int]] = []
        at = 0
        kinds = ("sent", "unknown", "held_out", "held_back", "failed")
        for kind in kinds:
            n: int = getattr(self, kind)
            width = BAR * n // self.planned
            # What there is, is seen.
            width = max(width, 2) if n else 0
            if width:
                parts.append((kind, at, width))
                at += width
        width = min(BAR * self.waiting // self.planned, max(BAR - at, 0))
        return [*parts, ("waiting", BAR - width, width)] if width else parts

    def per_minute(self, *, now: dt.datetime) -> int:
        """People sent to in a minute, at the pace of the last one, or of the seconds since it began to run."""
        return round(self.counts.sent_lately * 60 / self._seconds(now))

    def ends_at(self, *, now: dt.datetime) -> dt.datetime | None:
        """When those who wait for nothing will have it, at today's pace; None where that cannot be said."""
        ready = self.open - self.waiting
        pace = self.counts.ended_lately / self._seconds(now)
        if self.wave.state != Wave.State.RUNNING or ready <= 0 or not pace:
            return None
        return now + dt.timedelta(seconds=ready / pace)

    def _seconds(self, now: dt.datetime) -> float:
        began = self.wave.running_at
        return min(max((now - began).total_seconds(), LEAST_SECONDS), RATE_SECONDS) if began else RATE_SECONDS

    def why_not(self) -> list[tuple[str, str, int]]:
        """(state, reason, profiles) of what was decided against, most first."""
        found = [
            (state, reason or state, n)
            for (state, reason), n in self.counts.messages.items()
            if state not in OPEN | {State.SENT, State.HELD_OUT}
        ]
        return sorted(found, key=lambda one: -one[2])

    def why_later(self) -> list[tuple[str, int]]:
        """(reason, profiles) of what waits, most first."""
        found = [(reason, n) for (state, reason), n in self.counts.messages.items() if state == State.QUEUED and n > 0]
        return sorted(found, key=lambda one: -one[1])

    @property
    def ends(self) -> dt.datetime:
        """Until when it is worth sending."""
        return min(self.wave.expires_at, self.wave.due_at + dt.timedelta(minutes=self.wave.tolerance_minutes))

    def too_late(self, *, now: dt.datetime) -> int:
        """How many of those who are open will not get it if it goes on now: its time is over, or too short for its limit
        a minute."""
        minutes = (self.ends - now).total_seconds() / 60
        if minutes <= 0:
            return self.open
        return max(self.open - int(minutes * self.wave.per_minute), 0) if self.wave.per_minute else 0


def progress_of(waves: Sequence[Wave]) -> list[Progress]:
    """One Progress for each wave, in order. One query."""
    counts: Mapping[int, Counts] = tally.counts_of(waves)
    return [Progress(wave, counts[wave.pk]) for wave in waves]
