"""The few statements of the hot path, prepared once a connection: planning them would cost more than running them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import psycopg
from django.db import connection
from django.db.models import Model

# Separates the items of a list that goes over as one text: building and reading an array costs several times more.
SEPARATOR = "\x1f"
PLAN_SECONDS = 1.0
_planned = threading.local()  # for each thread has a connection of its own
M = TypeVar("M", bound=Model)


def joined(items: Iterable[str]) -> str | None:
    """The items as one parameter, for `string_to_array(%s, E'\\x1f')`; nothing at all is NULL.

    An item loses the separator: ids may not hold it and JSON escapes it, so only a gateway's own words ever could.
    """
    items = list(items)
    text = SEPARATOR.join(items)
    if text.count(SEPARATOR) >= max(len(items), 1):
        text = SEPARATOR.join([item.replace(SEPARATOR, "") for item in items])
    return text or None


def plain(items: Iterable[object]) -> str:
    """Numbers, ids or moments as one parameter, for `%s::bigint[]` and the like; None is NULL."""
    return f"{{{','.join(['NULL' if item is None else str(item) for item in items])}}}"


def rows(statement: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Run a prepared statement in this transaction; its rows."""
    with connection.wrap_database_errors, psycopg.Cursor(_raw()) as cursor:
        cursor.execute(statement, parameters, prepare=True, binary=True)
        return cursor.fetchall()


def objects(model: type[M], where: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[M]:
    """What a queryset would give. Django writes its statement anew each time, which costs more than running it."""
    statement, names = _select(model, where)
    return [model.from_db(connection.alias, names, row) for row in rows(statement, parameters)]


@cache
def _select(model: type[Model], where: str) -> tuple[str, list[str]]:
    fields = model._meta.concrete_fields
    columns = ", ".join(f'"{field.column}"' for field in fields)
    return f'SELECT {columns} FROM "{model._meta.db_table}" WHERE {where}', [field.attname for field in fields]


def run(statement: str, parameters: Sequence[Any] | Mapping[str, Any]) -> None:
    """Run a prepared statement that returns nothing in this transaction."""
    with connection.wrap_database_errors, psycopg.Cursor(_raw()) as cursor:
        cursor.execute(statement, parameters, prepare=True)


def copy(statement: str, data: bytes) -> None:
    """Run a COPY from these bytes in this transaction."""
    with connection.wrap_database_errors, psycopg.Cursor(_raw()) as cursor, cursor.copy(statement) as lines:
        lines.write(data)


def plan_anew() -> None:
    """Have the statements planned anew, once a second at most. A plan that was made while a month's partition was nearly
    empty would read all of it for each batch, long after it has grown."""
    if time.monotonic() > getattr(_planned, "at", 0.0) + PLAN_SECONDS:
        _planned.at = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute("DISCARD PLANS")


def _raw() -> psycopg.Connection[Any]:
    connection.ensure_connection()
    raw: psycopg.Connection[Any] = connection.connection
    # Prepared statements are for these alone: Django's own queries bind in the client.
    raw.prepare_threshold = 5
    return raw
