"""The queue of record: which messages are due, and who works on them. PostgreSQL's clock alone counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection

from audiences import statements
from delivery import tally
from delivery.models import Wave

CLAIM = 1000
COLUMNS = (
    "id",
    "profile_id",
    "occurrence",
    "arm",
    "due_at",
    "reason",
    "expires_at",
    "planned_at",
    "planned_epoch",
    "fence",
    "intent_at",
    "data",
)


@dataclass(frozen=True, slots=True)
class Claim:
    """Messages of one wave that are ours until the lease ends. `now` is the database's."""

    wave: Wave
    rows: list[dict[str, Any]]
    now: dt.datetime


_RUNNING_DUE = """
SELECT w.id FROM delivery_wave w
WHERE w.state = 'running' AND EXISTS (
    SELECT FROM delivery_message m
    WHERE m.wave_id = w.id AND m.wave_on = w.wave_on AND m.state = 'queued' AND m.due_at <= now())
"""
_EMPTY = """
SELECT t.frees_at FROM delivery_throttle t
WHERE w.per_minute IS NOT NULL AND t.name = 'wave:' || w.id AND t.frees_at > clock_timestamp()
"""
_DUE = f"{_RUNNING_DUE} AND NOT EXISTS ({_EMPTY})"


def next_wave() -> Wave | None:
    """A running wave that has due messages and turns: transactional ones first, else any, so that none starves."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_DUE} ORDER BY w.message_class <> 'transactional', random() LIMIT 1")
        found = cursor.fetchone()
    return Wave.objects.select_related("topic").get(pk=found[0]) if found else None


def anything_due() -> bool:
    """Whether a worker would find something to do now."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({_DUE})")
        return bool(cursor.fetchone()[0])


def next_turn() -> float | None:
    """Seconds until a wave that has used up its turns has some again; None where nothing due waits for that."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT extract(epoch FROM min(t.frees_at) - clock_timestamp())
            FROM delivery_wave w, LATERAL ({_EMPTY}) t
            WHERE w.per_minute IS NOT NULL AND w.id IN ({_RUNNING_DUE})
            """
        )
        found = cursor.fetchone()[0]
    return None if found is None else float(found)


_CLAIM = f"""
WITH due AS (
    SELECT m.id FROM delivery_message m
    WHERE m.wave_id = %(wave)s AND m.wave_on = %(wave_on)s AND m.state = 'queued' AND m.due_at <= now()
      AND EXISTS (SELECT FROM delivery_wave w WHERE w.id = %(wave)s AND w.state = 'running')
    ORDER BY m.due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE delivery_message m SET state = 'claimed', owner = %(owner)s, fence = m.fence + 1,
           lease_until = now() + make_interval(secs => %(lease)s)
    FROM due WHERE m.id = due.id AND m.wave_on = %(wave_on)s RETURNING m.*
), tallied AS ({tally.messages_of("(SELECT wave_id, 'queued' AS state, reason FROM claimed) c", sign="-")})
SELECT {", ".join(COLUMNS)}, now() FROM claimed ORDER BY profile_id, id
"""


def claim(wave: Wave, *, owner: str, limit: int = CLAIM) -> Claim:
    """Take due messages of a running wave, with a lease and a new fence. One UPDATE; nobody waits for anybody."""
    found = statements.rows(
        _CLAIM,
        {
            "wave": wave.pk,
            "wave_on": wave.wave_on,
            "limit": limit,
            "owner": owner,
            "lease": settings.HEED_LEASE_SECONDS,
        },
    )
    rows = [dict(zip(COLUMNS, row[:-1], strict=True)) for row in found]
    return Claim(wave, rows, found[0][-1] if found else dt.datetime.max)


def renew(wave: Wave, message_ids: Sequence[int], *, owner: str) -> None:
    """Keep what is still ours and not pushed yet for another lease."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE delivery_message SET lease_until = now() + make_interval(secs => %s)
            WHERE id = ANY(%s) AND wave_on = %s AND owner = %s AND state = 'claimed' AND lease_until > now()
            """,
            [settings.HEED_LEASE_SECONDS, list(message_ids), wave.wave_on, owner],
        )


def release(wave: Wave, message_ids: Sequence[int], *, owner: str) -> None:
    """Give back what was claimed and not begun, due again at once."""
    if not message_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH released AS (
                UPDATE delivery_message SET state = 'queued', owner = '', lease_until = NULL
                WHERE id = ANY(%(ids)s) AND wave_on = %(wave_on)s AND owner = %(owner)s AND state = 'claimed'
                RETURNING wave_id, state, reason
            )
            {tally.messages_of("released")}
            """,
            {"ids": list(message_ids), "wave_on": wave.wave_on, "owner": owner},
        )
