"""Monthly partitions: made before rows need them, dropped when retention says so."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from functools import partial

from django.db import connection, transaction


def month_of(day: dt.date) -> dt.date:
    return dt.date(day.year, day.month, 1)


def following(month: dt.date) -> dt.date:
    return month_of(month + dt.timedelta(days=32))


_known: set[tuple[str, str, dt.date]] = set()


def ensure_months(table: str, days: Iterable[dt.date]) -> None:
    """Make the partitions of `table` for the months of these days, where they are missing. Idempotent, and safe
    with many processes at once; months that this process has seen cost nothing. Days are UTC."""
    database = str(connection.settings_dict["NAME"])
    wanted = {month_of(day) for day in days}
    missing = sorted(month for month in wanted if (database, table, month) not in _known)
    for month in missing:
        with transaction.atomic(), connection.cursor() as cursor:
            name = f"{table}_{month:%Y_%m}"
            # One maker at a time: two CREATE TABLE IF NOT EXISTS at once can still collide in the catalog.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"partitions of {table}"])
            cursor.execute("SELECT to_regclass(%s)", [name])
            if cursor.fetchone()[0] is None:
                clock = " 00:00:00+00" if table == "audiences_event" else ""  # a timestamp there, a date elsewhere
                cursor.execute(
                    f"CREATE TABLE {name} PARTITION OF {table} "
                    f"FOR VALUES FROM ('{month:%Y-%m-%d}{clock}') TO ('{following(month):%Y-%m-%d}{clock}')"
                )
        # Remembered once no transaction can roll the table back any more.
        transaction.on_commit(partial(_known.add, (database, table, month)))
