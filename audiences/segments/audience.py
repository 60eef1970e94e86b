"""What a send aims at: segments included minus segments excluded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction

from audiences.models import Segment
from audiences.segments import tree
from audiences.segments.comparing_sql import Sql
from audiences.segments.language import parse
from audiences.segments.sql import members as members_of

# Hashing a million profiles needs room; without it the planner falls back to far slower plans.
WORK_MEM = "256MB"


def node_of(included: Iterable[Segment], excluded: Iterable[Segment]) -> tree.Node:
    """One tree: in any of the included, in none of the excluded. Raises InvalidRule."""
    wanted: tree.Node = tree.AnyOf(tuple(parse(segment.rule) for segment in included))
    unwanted = tuple(parse(segment.rule) for segment in excluded)
    return tree.All((wanted, tree.Nothing(unwanted))) if unwanted else wanted


def members(included: Iterable[Segment], excluded: Iterable[Segment], *, now: dt.datetime) -> Sql:
    """(sql, parameters) of a SELECT with one column `id`. Nobody, where nothing is included."""
    included = list(included)
    if not included:
        return "SELECT NULL::bigint AS id WHERE false", []
    return members_of(node_of(included, excluded), now=now)


def count(
    included: Iterable[Segment], excluded: Iterable[Segment], *, now: dt.datetime, at_most: int | None = None
) -> int:
    """How many there are; with `at_most` the count stops there."""
    sql, params = members(included, excluded, now=now)
    limit = f" LIMIT {int(at_most)}" if at_most is not None else ""
    return count_sql(f"{sql}{limit}", params)


def count_sql(sql: str, params: list[Any], *, timeout_ms: int | None = None) -> int:
    """Rows of a statement. Raises django.db.OperationalError when the time is over."""
    with transaction.atomic(), connection.cursor() as cursor:
        make_room(cursor)
        if timeout_ms is not None:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{timeout_ms}ms"])
        cursor.execute(f"SELECT count(*) FROM ({sql}) m", params)
        found = int(cursor.fetchone()[0])
        if timeout_ms is not None:
            cursor.execute("SELECT set_config('statement_timeout', '0', true)")
        return found


def make_room(cursor: Any) -> None:
    """For this transaction: memory enough for hashes over everyone."""
    cursor.execute("SELECT set_config('work_mem', %s, true)", [WORK_MEM])
