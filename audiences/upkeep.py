"""What tables need now and then: old message ids and dead addresses go, next months' partitions come."""

from __future__ import annotations

import datetime as dt

from django.db import connection

from audiences.feedback import QUARANTINE_DAYS
from audiences.models.device import FORGOTTEN
from audiences.partitions import ensure_months, following, month_of

SEEN_DAYS = 7
SLICE = 10_000
MONTHS_AHEAD = 3
WORTH_COUNTING = 500  # rows


def drop_seen_calls(*, now: dt.datetime, most: int = 50) -> int:
    """Forget message ids seen more than 7 days ago, in slices, so that no lock is held for long. Returns how many.

    At most `most` slices; the rest waits for the next turn.
    """
    before = now - dt.timedelta(days=SEEN_DAYS)
    total = 0
    for _ in range(most):
        with connection.cursor() as cursor:
            cursor.execute(
                """
                DELETE FROM audiences_seencall WHERE ctid = ANY(ARRAY(
                    SELECT ctid FROM audiences_seencall WHERE seen_at < %s ORDER BY seen_at LIMIT %s
                    FOR UPDATE SKIP LOCKED
                ))
                """,
                [before, SLICE],
            )
            total += cursor.rowcount
            if cursor.rowcount < SLICE:
                break
    return total


def forget_dead_addresses(*, now: dt.datetime, most: int = 50) -> int:
    """Forget the addresses of devices that were set aside 30 days ago and never came back. Returns how many.

    Their rows stay, for what was sent to them. In slices, at most `most`; the rest waits for the next turn.
    """
    before = now - dt.timedelta(days=QUARANTINE_DAYS)
    total = 0
    for _ in range(most):
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                UPDATE audiences_device SET address = '{FORGOTTEN}' || id, p256dh = '', auth = '', sender_key = ''
                WHERE id = ANY(ARRAY(
                    SELECT id FROM audiences_device
                    WHERE quarantined_at < %s AND NOT (address LIKE '{FORGOTTEN}%%')
                    ORDER BY quarantined_at LIMIT %s FOR UPDATE SKIP LOCKED
                ))
                """,
                [before, SLICE],
            )
            total += cursor.rowcount
            if cursor.rowcount < SLICE:
                break
    return total


def make_partitions(*, now: dt.datetime) -> None:
    """Make the partitions of events for this month and the next three, before a call has to wait for it."""
    months = [month_of(now.date())]
    for _ in range(MONTHS_AHEAD):
        months.append(following(months[-1]))
    ensure_months("audiences_event", months)


def analyze_new_partitions() -> list[str]:
    """Have PostgreSQL count partitions that have rows and were never looked at. Returns their names.

    It does so by itself after a minute; until then it plans as if a new month were nearly empty, and a wave that fills
    it would read all of it for each batch.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.relid::regclass::text FROM pg_stat_user_tables s JOIN pg_inherits i ON i.inhrelid = s.relid
            WHERE s.n_live_tup >= %s AND s.last_analyze IS NULL AND s.last_autoanalyze IS NULL ORDER BY 1
            """,
            [WORTH_COUNTING],
        )
        names = [row[0] for row in cursor.fetchall()]
        for name in names:
            cursor.execute(f"ANALYZE {name}")
    return names
