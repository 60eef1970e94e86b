"""How far waves have come: messages by state, and why some were not sent."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Count, Q

from delivery.models import Message, Wave

State = Message.State
OPEN = {State.QUEUED, State.CLAIMED, State.PUSHING}


@dataclass(slots=True)
class Progress:
    """Counts of profiles. `last_minute` is how many messages were sent in the 60 seconds before."""

    wave: Wave
    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    last_minute: int = 0

    @property
    def planned(self) -> int:
        return sum(self.states.values())

    @property
    def open(self) -> int:
        return sum(self.states[state] for state in OPEN)

    @property
    def done(self) -> int:
        return self.planned - self.open

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
    def not_sent(self) -> int:
        return self.done - self.sent - self.held_out

    def why_not(self) -> list[tuple[str, str, int]]:
        """(state, reason, profiles) of what was decided against or waits for a reason, most first."""
        return [(state, reason, n) for (state, reason), n in self.reasons.most_common()]


def progress_of(waves: Sequence[Wave], *, now: dt.datetime) -> list[Progress]:
    """One Progress for each wave, in order. One query over the waves' messages."""
    found = {wave.pk: Progress(wave) for wave in waves}
    if not found:
        return []
    rows = (
        Message.objects.filter(wave__in=list(found), wave_on__in={wave.wave_on for wave in waves})
        .values_list("wave_id", "state", "reason")
        .annotate(n=Count("pk"), recent=Count("pk", filter=Q(intent_at__gt=now - dt.timedelta(seconds=60))))
        .order_by()
    )
    for wave_id, state, reason, n, recent in rows:
        one = found[wave_id]
        one.states[state] += n
        one.last_minute += recent
        if state not in {State.SENT, State.HELD_OUT} and (reason or state not in OPEN):
            one.reasons[state, reason or state] += n
    return list(found.values())
