"""PostgreSQL's clock, set by hand: what the product asks of it (`now()`, `clock_timestamp()`) is what a test says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def stopped_clock(at: dt.datetime) -> Iterator[Callable[[dt.datetime], None]]:
    """The clock stands at `at`, for all connections to the test's database, until it is set to another moment: our own
    functions are found before PostgreSQL's of the same name."""

    def set_to(moment: dt.datetime) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE clock.hands SET at = %s", [moment])

    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA clock; CREATE TABLE clock.hands (at timestamptz)")
        cursor.execute("INSERT INTO clock.hands VALUES (%s)", [at])
        for function in ("now", "clock_timestamp"):
            cursor.execute(
                f"CREATE FUNCTION clock.{function}() RETURNS timestamptz LANGUAGE sql STABLE"
                " AS 'SELECT at FROM clock.hands'"
            )
        cursor.execute(f"ALTER DATABASE {name} SET search_path = clock, public, pg_catalog")
        cursor.execute("SET search_path = clock, public, pg_catalog")
    try:
        yield set_to
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {name} RESET search_path")
            cursor.execute("SET search_path = DEFAULT")
            cursor.execute("DROP SCHEMA clock CASCADE")
        connection.close()
