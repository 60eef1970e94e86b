"""Signs of life of the background processes, kept in PostgreSQL, so that they outlive a Redis that is flushed."""

from __future__ import annotations

from django.db import connection


def beat(name: str, *, detail: str = "") -> None:
    """Say that a process of this name lives now, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO console_heartbeat (name, seen_at, detail) VALUES (%s, now(), %s)
            ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at, detail = excluded.detail
            """,
            [name, detail[:200]],
        )


def last_seen(prefix: str) -> float | None:
    """Seconds since a process whose name begins so was last seen, or None where there never was one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM now() - max(seen_at)) FROM console_heartbeat WHERE starts_with(name, %s)",
            [prefix],
        )
        age = cursor.fetchone()[0]
        return None if age is None else float(age)
