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
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return bool(cursor.fetchone()[0])


def a_statement_waits_for_a_row() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')")
        return bool(cursor.fetchone()[0])
