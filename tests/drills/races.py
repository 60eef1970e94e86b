"""Stopping the workers of a drill at a named point."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection

from delivery.checkpoints import key


@contextmanager
def stopped_at(name: str) -> Iterator[None]:
    """Every worker waits at this checkpoint; leaving the block lets them go."""
    parameters = connection.get_connection_params()
    with psycopg.connect(
        host=parameters.get("host"), user=parameters.get("user"), dbname=parameters["dbname"], autocommit=True
    ) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [key(name)])
        yield
        other.execute("SELECT pg_advisory_unlock(%s)", [key(name)])


def a_worker_waits() -> bool:
    return _someone_waits("advisory")


def a_statement_waits_for_a_row() -> bool:
    return _someone_waits("transactionid", "tuple")


def _someone_waits(*kinds: str) -> bool:
    """Whether anybody waits for such a lock in this database; other tests have theirs on the same server."""
    with connection.cursor() as cursor:
        # Within a transaction who is connected stays as it was seen first.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            """
            SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                           WHERE a.datname = current_database() AND NOT l.granted AND l.locktype = ANY(%s))
            """,
            [list(kinds)],
        )
        return bool(cursor.fetchone()[0])
