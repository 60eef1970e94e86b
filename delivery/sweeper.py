"""What a dead worker left behind: found by its lease, under an advisory lock, every few seconds."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection, transaction

from delivery import suspects, tally

LOCK = 7_300_001


@dataclass(frozen=True, slots=True)
class Swept:
    """How many messages went back to the queue, how many pushes are now unknown, how many messages were poison."""

    requeued: int = 0
    unknown: int = 0
    poisoned: int = 0
    ended: int = 0
    finished: int = 0


# It may have arrived. Only a must-arrive wave sends again: the copy has the same tag and topic, and replaces the first.
_SENDING = f"""
WITH over AS (
    SELECT p.id, p.wave_on, w.must_arrive AND p.attempt < 5 AS again
    FROM delivery_push p JOIN delivery_wave w ON w.id = p.wave_id
    WHERE p.state = 'sending' AND p.lease_until < now() ORDER BY p.id LIMIT 10000 FOR UPDATE OF p SKIP LOCKED
), swept AS (
    UPDATE delivery_push p SET state = CASE WHEN o.again THEN 'retry' ELSE 'unknown' END, reason = 'worker_lost',
           due_at = CASE WHEN o.again THEN now() END, owner = '', lease_until = NULL,
           finished_at = CASE WHEN o.again THEN NULL ELSE now() END
    FROM over o WHERE p.id = o.id AND p.wave_on = o.wave_on
    RETURNING p.wave_id, p.credential_id, p.state, p.reason, p.status
), tallied AS ({tally.pushes_of("swept")})
SELECT count(*) FROM swept
"""

# A message whose worker is gone is what its pushes say. Without any push its intent was never written: judge again.
_PUSHING = f"""
WITH over AS (
    SELECT m.id, m.wave_on FROM delivery_message m
    WHERE m.state = 'pushing' AND m.lease_until < now() AND NOT EXISTS (
        SELECT FROM delivery_push p WHERE p.message_id = m.id AND p.wave_on = m.wave_on AND p.state = 'sending')
    ORDER BY m.id LIMIT 10000 FOR UPDATE SKIP LOCKED
), best AS (
    SELECT o.id, o.wave_on,
           (array_agg(p.state ORDER BY array_position(ARRAY['retry', 'sent', 'unknown', 'rejected', 'dropped'],
                                                      p.state::text)))[1] AS state,
           min(p.due_at) FILTER (WHERE p.state = 'retry') AS due_at
    FROM over o LEFT JOIN delivery_push p ON p.message_id = o.id AND p.wave_on = o.wave_on GROUP BY o.id, o.wave_on
), swept AS (
    UPDATE delivery_message m SET
        state = CASE coalesce(b.state, 'retry') WHEN 'retry' THEN 'queued' ELSE b.state END,
        reason = CASE b.state WHEN 'unknown' THEN 'worker_lost' ELSE '' END,
        due_at = coalesce(b.due_at, m.due_at), owner = '', lease_until = NULL,
        finished_at = CASE WHEN coalesce(b.state, 'retry') = 'retry' THEN NULL ELSE now() END
    FROM best b WHERE m.id = b.id AND m.wave_on = b.wave_on
    RETURNING m.wave_id, m.state, m.reason
), tallied AS ({tally.messages_of("swept")})
SELECT count(*) FROM swept
"""

# What a stopped or expired wave still holds is held back, in slices; what reached a device before stays what it is.
_ENDED = f"""
WITH over AS (
    SELECT m.id, m.wave_on, m.wave_id, m.reason, w.state, CASE WHEN m.intent_at IS NOT NULL THEN (
        SELECT min(p.state) FROM delivery_push p
        WHERE p.message_id = m.id AND p.wave_on = m.wave_on AND p.state IN ('sent', 'unknown')) END AS reached
    FROM delivery_wave w JOIN delivery_message m
         ON m.wave_id = w.id AND m.wave_on = w.wave_on AND m.state = 'queued'
    WHERE w.finished_at IS NULL AND (w.state = 'stopped' OR w.expires_at <= now())
    LIMIT 20000 FOR UPDATE OF m SKIP LOCKED
), swept AS (
    UPDATE delivery_message m SET
        state = coalesce(o.reached, CASE o.state WHEN 'stopped' THEN 'suppressed' ELSE 'expired' END),
        reason = CASE WHEN o.reached IS NOT NULL THEN '' WHEN o.state = 'stopped' THEN 'stopped' ELSE 'expired' END,
        finished_at = now()
    FROM over o WHERE m.id = o.id AND m.wave_on = o.wave_on
    RETURNING m.wave_id, m.state, m.reason
), tallied AS ({tally.messages_of("swept")}),
waited AS ({tally.messages_of("(SELECT wave_id, 'queued' AS state, reason FROM over) o", sign="-")})
SELECT count(*) FROM swept
"""

_FINISHED = """
UPDATE delivery_wave w SET state = CASE w.state WHEN 'stopped' THEN 'stopped' ELSE 'finished' END, finished_at = now()
WHERE w.finished_at IS NULL AND (w.state = 'stopped' OR (w.state IN ('running', 'paused') AND w.planned_at IS NOT NULL))
  AND NOT EXISTS (
    SELECT FROM delivery_message m WHERE m.wave_id = w.id AND m.wave_on = w.wave_on
    AND m.state IN ('queued', 'claimed', 'pushing'))
"""


def sweep() -> Swept:
    """Set right what leases, stops and ends have left. One caller at a time; the others do nothing."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return Swept()
        states = suspects.find_lost()
        cursor.execute(_SENDING)
        unknown = cursor.fetchone()[0]
        cursor.execute(_PUSHING)
        requeued = cursor.fetchone()[0]
        cursor.execute(_ENDED)
        ended = cursor.fetchone()[0]
        cursor.execute(_FINISHED)
        return Swept(
            requeued=states.count("queued") + requeued,
            unknown=unknown,
            poisoned=states.count("rejected"),
            ended=ended,
            finished=cursor.rowcount,
        )
