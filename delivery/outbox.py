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
