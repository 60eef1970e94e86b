"""Messages on which a worker died or failed: one among them may be what kills it.

They are claimed in ever smaller groups: all that were claimed together, then a few, then each alone. Who fails a third
time, alone, is `rejected(poison)`; the others have gone out by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection

from delivery import tally
from delivery.models import Wave

TOGETHER = (1000, 32, 1)
"""How many are claimed together at most, by how often they have failed."""

_FAILED = f"""
WITH over AS (
    SELECT id, wave_on FROM delivery_message WHERE state = 'claimed' AND {{which}}
    ORDER BY id LIMIT 10000 FOR UPDATE SKIP LOCKED
), swept AS (
    UPDATE delivery_message m SET
        state = CASE WHEN m.crashes + 1 >= {len(TOGETHER)} THEN 'rejected' ELSE 'queued' END,
        reason = CASE WHEN m.crashes + 1 >= {len(TOGETHER)} THEN 'poison' ELSE m.reason END,
        finished_at = CASE WHEN m.crashes + 1 >= {len(TOGETHER)} THEN now() END,
        crashes = m.crashes + 1, owner = '', lease_until = NULL
    FROM over o WHERE m.id = o.id AND m.wave_on = o.wave_on
    RETURNING m.wave_id, m.state, m.reason
), tallied AS ({tally.messages_of("swept")})
SELECT state FROM swept
"""
_LEASE_OVER = _FAILED.format(which="lease_until < now()")
_OURS = _FAILED.format(which="owner = %s AND wave_on = %s AND id = ANY(%s)")


def find_lost() -> list[str]:
    """Of messages whose worker is gone: the states that they have now. At most 10,000."""
    return _run(_LEASE_OVER)


def suspect(wave: Wave, message_ids: Sequence[int], *, owner: str) -> list[str]:
    """Of those of these messages that this worker has claimed and not pushed, since carrying them failed: the states."""
    return _run(_OURS, owner, wave.wave_on, list(message_ids))


def _run(statement: str, *parameters: Any) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [row[0] for row in cursor.fetchall()]
