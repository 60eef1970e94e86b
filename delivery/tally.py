"""How far waves are, without counting their ledgers: sums that the recording statements keep as they go.

The fragments below are part of the statements that move messages and pushes, so that a count never strays from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from delivery.models import Tally, Wave

FEW_SECONDS = 5
RATE_SECONDS = 60
SPARED = 2
"""How many seconds rows are left as they were written: until their transactions are over."""


def messages_of(rows: str, *, sign: str = "") -> str:
    """Count what `rows` say in `wave_id`, `state` and `reason` became of messages, one row each. What waits without a
    reason is not counted: it is what is left."""
    return f"""
        INSERT INTO delivery_tally (wave_id, at, kind, state, reason, n)
        SELECT wave_id, clock_timestamp(), 'message', state, reason, {sign}count(*) FROM {rows}
        WHERE state <> 'queued' OR reason <> '' GROUP BY wave_id, state, reason
    """


def pushes_of(rows: str, *, sign: str = "") -> str:
    """Count the outcomes of pushes: `rows` say `wave_id`, `credential_id`, `state`, `reason`, `status`, one row each."""
    return f"""
        INSERT INTO delivery_tally (wave_id, at, kind, credential_id, state, reason, status, n)
        SELECT wave_id, clock_timestamp(), 'push', credential_id, state, reason, status, {sign}count(*) FROM {rows}
        GROUP BY wave_id, credential_id, state, reason, status
    """


@dataclass(slots=True)
class Counts:
    """One wave's sums: messages by (state, reason), pushes by (credential id, state, reason, status), attempts that are
    repeated too. `sent_lately` and `ended_lately` are messages of the last 60 seconds."""

    messages: Counter[tuple[str, str]] = field(default_factory=Counter)
    pushes: Counter[tuple[int | None, str, str, str]] = field(default_factory=Counter)
    sent_lately: int = 0
    ended_lately: int = 0


def counts_of(waves: Sequence[Wave]) -> dict[int, Counts]:
    """Each wave's counts by its id. One query; what it costs does not grow with the waves' size."""
    found = {wave.pk: Counts() for wave in waves}
    if not found:
        return found
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT wave_id, kind, credential_id, state, reason, status, sum(n)::bigint,
                   coalesce(sum(n) FILTER (WHERE at > now() - make_interval(secs => %s)), 0)::bigint
            FROM delivery_tally WHERE wave_id = ANY(%s) GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(n) <> 0
            """,
            [RATE_SECONDS, list(found)],
        )
        for wave_id, kind, credential_id, state, reason, status, n, recent in cursor.fetchall():
            one = found[wave_id]
            if kind == Tally.Kind.PUSH:
                one.pushes[credential_id, state, reason, status] = n
                continue
            one.messages[state, reason] = n
            if state == "sent":
                one.sent_lately += recent
            if state != "queued":
                one.ended_lately += recent
    return found


_FOLD = """
WITH gone AS (
    DELETE FROM delivery_tally WHERE {which}
    RETURNING wave_id, kind, credential_id, state, reason, status, n, at
)
INSERT INTO delivery_tally (wave_id, kind, credential_id, state, reason, status, n, at, grain)
SELECT wave_id, kind, credential_id, state, reason, status, sum(n), {at}, {grain}
FROM gone GROUP BY wave_id, kind, credential_id, state, reason, status{by} HAVING sum(n) <> 0
"""
_BIN = f"date_bin('{FEW_SECONDS} seconds', at, 'epoch'::timestamptz)"


def fold() -> None:
    """Make few rows of many: a few seconds become one row of their kind, and what is older than a minute another."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _FOLD.format(
                which="grain = 0 AND at < now() - make_interval(secs => %s)", at=_BIN, by=f", {_BIN}", grain=1
            ),
            [SPARED],
        )
        old = f"at < now() - make_interval(secs => {RATE_SECONDS + 2 * FEW_SECONDS})"
        cursor.execute(f"SELECT DISTINCT wave_id FROM delivery_tally WHERE grain = 1 AND {old}")
        waves = [row[0] for row in cursor.fetchall()]
        if waves:
            which = f"wave_id = ANY(%s) AND (grain = 2 OR (grain = 1 AND {old}))"
            cursor.execute(_FOLD.format(which=which, at="max(at)", by="", grain=2), [waves])


def recount(waves: Iterable[Wave]) -> None:
    """Count these waves from their ledgers, for what was written into those by hand. Nobody may be sending them."""
    for wave in waves:
        key: dict[str, Any] = {"wave": wave.pk, "wave_on": wave.wave_on}
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("DELETE FROM delivery_tally WHERE wave_id = %(wave)s", key)
            for table, fragment in (("delivery_message", messages_of), ("delivery_push", pushes_of)):
                final = "state NOT IN ('claimed', 'pushing', 'sending')"
                rows = f"(SELECT * FROM {table} WHERE wave_id = %(wave)s AND wave_on = %(wave_on)s AND {final}) r"
                cursor.execute(fragment(rows), key)
