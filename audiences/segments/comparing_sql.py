"""A test against one value, in SQL: the twin of comparing. The expression is never NULL; values are parameters."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

from audiences.segments import pattern
from audiences.segments.comparing import fold
from audiences.segments.tree import Test

Sql = tuple[str, list[Any]]
_LENGTH = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def json_test(test: Test, value: str, value_params: list[Any], *, now: dt.datetime) -> Sql:
    """Whether the jsonb expression `value` passes. JSON null counts as missing."""
    if test.op == "exists":
        return _complement(f"coalesce(jsonb_typeof({value}) <> 'null', false)", value_params, test)
    kind = {"string": "string", "number": "number", "bool": "boolean", "date": "string", "list": "array"}[test.kind]
    inner, uses = _json_inner(test, value, now)
    ordered = [*value_params]
    # CASE, so that a cast is only tried on a value of its type; `uses` says where the value stands among the parameters.
    for part in uses:
        ordered += value_params if part is _VALUE else [part]
    return _complement(
        f"CASE WHEN jsonb_typeof({value}) = '{kind}' THEN coalesce({inner}, false) ELSE false END", ordered, test
    )


_VALUE = object()


def _json_inner(test: Test, value: str, now: dt.datetime) -> tuple[str, list[Any]]:
    text = f"({value} #>> '{{}}')"
    if test.kind == "string":
        sql, params = text_test(test, text)
        return sql, [_VALUE, *params]
    if test.kind == "number":
        sql, params = _number(test, f"{text}::numeric")
        return sql, [_VALUE, *params]
    if test.kind == "bool":
        return f"{text} = %s", [_VALUE, "true" if test.op == "is true" else "false"]
    if test.kind == "date":
        sql, params = moment_test(test, f"audiences_moment({text})", now=now)
        return sql, [_VALUE, *params]
    return _list(test, value)


def text_test(test: Test, text: str) -> Sql:
    """`text` occurs once in the result, before its parameters."""
    said = test.value
    if test.ignore_case:
        text = f'lower({text} COLLATE "C")'
        said = tuple(map(fold, said)) if isinstance(said, tuple) else fold(said) if isinstance(said, str) else said
    match test.op:
        case "=":
            return f"{text} = %s", [said]
        case "in":
            return f"{text} = ANY(%s)", [list(said)]
        case "contains":
            return f"strpos({text}, %s) > 0", [said]
        case "starts with":
            return f"starts_with({text}, %s)", [said]
        case "ends with":
            return f"right({text}, %s) = %s", [len(said), said]
        case "matches":
            return f'left({text}, {pattern.LONGEST_VALUE}) COLLATE "C" ~ %s', [pattern.for_sql(said)]
        case "is empty":
            return f"{text} = ''", []
    return f"length({text}) {_LENGTH[test.value[0]]} %s", [test.value[1]]


def _number(test: Test, number: str) -> Sql:
    if test.op == "between":
        return f"{number} BETWEEN %s AND %s", list(test.value)
    if test.op == "in":
        return f"{number} = ANY(%s::numeric[])", [list(test.value)]
    return f"{number} {test.op} %s", [test.value]


def moment_test(test: Test, at: str, *, now: dt.datetime) -> Sql:
    """`at` is a timestamptz expression that occurs once, before its parameters."""
    match test.op:
        case "before":
            return f"{at} < %s", [test.value]
        case "after":
            return f"{at} > %s", [test.value]
        case "on":
            return f"{at} <@ tstzrange(%s, %s)", [test.value, test.value + dt.timedelta(days=1)]
        case "within":
            return f"{at} BETWEEN %s AND %s", list(test.value)
        case "in the last":
            return f"{at} BETWEEN %s AND %s", [now - test.value, now]
        case "more than ago":
            return f"{at} < %s", [now - test.value]
        case "in the next":
            return f"{at} <@ tstzrange(%s, %s, '(]')", [now, now + test.value]
    return f"{at} > %s", [now + test.value]


def _list(test: Test, value: str) -> tuple[str, list[Any]]:
    match test.op:
        case "is empty":
            return f"jsonb_array_length({value}) = 0", [_VALUE]
        case "length":
            sql = f"jsonb_array_length({value}) {_LENGTH[test.value[0]]} %s"
            return sql, [_VALUE, test.value[1]]
    # Containment compares as JSON does; each wanted value is an array of one.
    join = " AND " if test.op == "contains all" else " OR "
    sql = join.join(f"{value} @> %s::jsonb" for _ in test.value)
    uses: list[Any] = []
    for wanted in test.value:
        uses += [_VALUE, json.dumps([wanted], default=_as_number)]
    return f"({sql})", uses


def _as_number(value: Any) -> Any:
    """json.dumps knows no Decimal; a float or int of the same digits does."""
    assert isinstance(value, Decimal)
    return int(value) if value == value.to_integral_value() else float(value)


def column_test(test: Test, column: str, *, kind: str, now: dt.datetime) -> Sql:
    """A test of a plain column: text ('' counts as missing), moment or boolean expression."""
    if test.op == "exists":
        present = f"({column} IS NOT NULL AND {column} <> '')" if kind == "string" else f"{column} IS NOT NULL"
        return _complement(present, [], test)
    if kind == "bool":
        return _complement(f"({column}) = %s", [test.op == "is true"], test)
    sql, params = text_test(test, column) if kind == "string" else moment_test(test, column, now=now)
    if kind == "string":
        sql = f"({column} <> '' AND {sql})"
    return _complement(f"coalesce({sql}, false)", params, test)


def _complement(sql: str, params: list[Any], test: Test) -> Sql:
    return (f"NOT {sql}" if test.negated else sql), params
