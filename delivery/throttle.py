"""So many a minute and no more, over all workers and hosts: buckets of turns on PostgreSQL's clock.

A bucket is asked once for a whole batch, not once a message. It holds a fiftieth of the limit and refills so that in no
60 seconds more turns than the limit are given, with a hundredth to spare for the time between a turn and its POST.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from audiences import statements
from audiences.models import Device
from delivery.gates.facts import THROTTLED
from delivery.models import Credential, Throttle, Wave
from delivery.rhythm import MOST_A_MINUTE

BURST_SHARE = 50
REFILL = 0.97
FURTHEST_TURN = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """`burst` turns are kept at most, `rate` come back each second; `reserve` are kept for transactional messages."""

    burst: int
    rate: float
    reserve: int

    @classmethod
    def of(cls, per_minute: int) -> Pace:
        burst = max(per_minute // BURST_SHARE, 1)
        return cls(burst, min(per_minute * REFILL, per_minute - burst + 1) / 60, burst // 2)


@dataclass(frozen=True, slots=True)
class Turns:
    """`granted` may go now. Those that may not: when each is due again, in their order."""

    granted: int
    later: Sequence[dt.datetime] = ()


_TAKE = """
WITH held AS (
    SELECT name, level, filled_at, promised_until, clock_timestamp() AS at
    FROM delivery_throttle WHERE name = %(name)s FOR UPDATE
), filled AS (
    SELECT name, greatest(at, filled_at) AS at, greatest(promised_until, at) AS tail,
           least(%(burst)s, level + greatest(extract(epoch FROM at - filled_at), 0) * %(rate)s) AS level
    FROM held
), taken AS (
    SELECT *, least(%(again)s + %(fresh)s, greatest(floor(level - %(reserve)s + 1e-6), 0))::int AS n FROM filled
)
UPDATE delivery_throttle t SET level = g.level - g.n, filled_at = g.at,
       promised_until = least(g.tail + make_interval(secs => least(%(fresh)s, %(again)s + %(fresh)s - g.n) / %(rate)s),
                              g.at + %(furthest)s),
       frees_at = CASE WHEN g.n < %(again)s + %(fresh)s
           THEN g.at + make_interval(secs => (%(worth)s - (g.level - g.n - %(reserve)s)) / %(rate)s) END
FROM taken g WHERE t.name = g.name
RETURNING g.n, g.at, g.tail
"""


def take(name: str, *, per_minute: int, again: int = 0, fresh: int = 0, may_use_reserve: bool = True) -> Turns:
    """Ask for turns: first for those that have waited already (`again`), then for `fresh` ones. One UPDATE.

    Who has waited and gets none is due again as soon as the bucket refills; a fresh one gets a turn behind all turns that
    were promised before, at most an hour from now: a long line is so judged twice, not over and over.
    """
    pace = Pace.of(per_minute)
    reserve = 0 if may_use_reserve else pace.reserve
    parameters = {
        "name": name,
        "burst": float(pace.burst),
        "rate": pace.rate,
        "reserve": reserve,
        "again": again,
        "fresh": fresh,
        "worth": max((pace.burst - reserve) / 2, 1.0),
        "furthest": FURTHEST_TURN,
    }
    rows = statements.rows(_TAKE, parameters)
    if not rows:
        _make(name, pace)
        rows = statements.rows(_TAKE, parameters)
    granted, at, tail = rows[0]
    step = dt.timedelta(seconds=1 / pace.rate)
    waiting = max(again - granted, 0)
    behind = again + fresh - granted - waiting
    near = [at + step * (n + 1) for n in range(waiting)]
    far = [min(tail + step * (n + 1), at + FURTHEST_TURN) for n in range(behind)]
    return Turns(granted, [*near, *far])


def give_back(name: str, count: int, *, per_minute: int) -> None:
    """Turns that were taken and not used."""
    if count <= 0:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE delivery_throttle SET level = least(%s, level + %s), frees_at = NULL WHERE name = %s
            """,
            [Pace.of(per_minute).burst, count, name],
        )


def _make(name: str, pace: Pace) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO delivery_throttle (name, level, filled_at) VALUES (%s, %s, clock_timestamp())"
            " ON CONFLICT DO NOTHING",
            [name, pace.burst],
        )


def limit_of(credential: Credential) -> int | None:
    """Pushes a minute with this credential: what its owner said, and what its gateway allows at most."""
    if credential.gateway == Device.Gateway.FCM:
        return min(credential.per_minute or MOST_A_MINUTE, MOST_A_MINUTE)
    return credential.per_minute


def of_wave(wave: Wave) -> str:
    return f"wave:{wave.pk}"


def of_credential(credential_id: int) -> str:
    return f"credential:{credential_id}"


def hurry(*, slice_of: int = 20_000) -> int:
    """After a limit was raised or lifted: who waits for a turn is due now, in slices. Returns how many."""
    Throttle.objects.filter(promised_until__isnull=False).update(promised_until=None)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH waiting AS (
                SELECT m.id, m.wave_on FROM delivery_wave w JOIN delivery_message m
                     ON m.wave_id = w.id AND m.wave_on = w.wave_on AND m.state = 'queued' AND m.due_at > now()
                WHERE w.state IN ('running', 'paused') AND m.reason = %s LIMIT %s FOR UPDATE OF m SKIP LOCKED
            )
            UPDATE delivery_message m SET due_at = now() FROM waiting o WHERE m.id = o.id AND m.wave_on = o.wave_on
            """,
            [THROTTLED, slice_of],
        )
        return int(cursor.rowcount)


def forget(*, now: dt.datetime) -> int:
    """Buckets that nobody has asked for two days; each is made anew when it is needed. Returns how many."""
    return Throttle.objects.filter(filled_at__lt=now - dt.timedelta(days=2)).delete()[0]
