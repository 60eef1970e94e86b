"""The queue of record: which messages are due, and who works on them. PostgreSQL's clock alone counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection

from audiences import statements
from delivery import suspects, tally
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
    "crashes",
)


@dataclass(frozen=True, slots=True)
class Claim:
    """Messages of one wave that are ours until the lease ends. `now` is the database's."""

    wave: Wave
    rows: list[dict[str, Any]]
    now: dt.datetime
    has_more: bool


_DUE = """
    m.wave_id = %(wave)s AND m.wave_on = %(wave_on)s AND m.state = 'queued' AND m.due_at <= now()
    AND EXISTS (SELECT FROM delivery_wave w WHERE w.id = %(wave)s AND w.state = 'running')
"""
_FEW, _ONE = suspects.TOGETHER[1:]
# Nobody waits for the disk: what is claimed reaches it with its intent, and a claim that is lost was none.
# Suspects go first, by themselves: an index of their own says at once that there are none.
_CLAIM = f"""
WITH worst AS (
    SELECT max(m.crashes) AS crashes FROM delivery_message m WHERE {_DUE} AND m.crashes > 0
), suspect AS (
    SELECT m.id FROM delivery_message m WHERE {_DUE} AND m.crashes > 0 AND m.crashes = (SELECT crashes FROM worst)
    ORDER BY m.due_at LIMIT (SELECT least(%(limit)s, CASE crashes WHEN 1 THEN {_FEW} ELSE {_ONE} END) FROM worst)
    FOR UPDATE SKIP LOCKED
), fresh AS (
    SELECT m.id FROM delivery_message m WHERE {_DUE} AND m.crashes = 0 AND NOT EXISTS (SELECT FROM suspect)
    ORDER BY m.due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), due AS (SELECT id FROM suspect UNION ALL SELECT id FROM fresh), claimed AS (
    UPDATE delivery_message m SET state = 'claimed', owner = %(owner)s, fence = m.fence + 1,
           lease_until = now() + make_interval(secs => %(lease)s)
    WHERE m.id = ANY(ARRAY(SELECT id FROM due)) AND m.wave_on = %(wave_on)s RETURNING m.*
), tallied AS ({tally.messages_of("(SELECT wave_id, 'queued' AS state, reason FROM claimed) c", sign="-")})
SELECT {", ".join(COLUMNS)}, now(), (SELECT set_config('synchronous_commit', 'off', true)) FROM claimed
ORDER BY profile_id, id
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
    rows = [dict(zip(COLUMNS, row[:-2], strict=True)) for row in found]
    has_more = len(rows) == limit or (bool(rows) and rows[0]["crashes"] > 0)
    return Claim(wave, rows, found[0][-2] if found else dt.datetime.max, has_more)


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


_RELEASE = f"""
WITH released AS (
    UPDATE delivery_message SET state = 'queued', owner = '', lease_until = NULL
    WHERE state = 'claimed' AND owner = %(owner)s {{which}}
    RETURNING wave_id, state, reason
)
{tally.messages_of("released")}
"""


def release(wave: Wave, message_ids: Sequence[int], *, owner: str) -> None:
    """Give back what was claimed and not begun, due again at once."""
    if not message_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _RELEASE.format(which="AND id = ANY(%(ids)s) AND wave_on = %(wave_on)s"),
            {"ids": list(message_ids), "wave_on": wave.wave_on, "owner": owner},
        )


def release_all(*, owner: str) -> None:
    """Give back everything that was claimed and not begun: its batch was broken off, through no fault of its own."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE.format(which=""), {"owner": owner})
