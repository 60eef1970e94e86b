"""A test against one value, in Python: the twin of comparing_sql. A value of another type fails every positive test."""

from __future__ import annotations

import datetime as dt
import operator
import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from audiences.segments import pattern
from audiences.segments.moments import moment
from audiences.segments.tree import Test

_UPPER_TO_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def passes(test: Test, value: Any, *, now: dt.datetime) -> bool:
    """Whether a JSON value (None where it is missing or null) passes. Numbers are int or Decimal; moments datetime."""
    return _positive(test, value, now) != test.negated


def _positive(test: Test, value: Any, now: dt.datetime) -> bool:
    if test.op == "exists":
        return value is not None
    compare, types = _KINDS[test.kind]
    if not isinstance(value, types) or (isinstance(value, bool) and test.kind == "number"):
        return False
    return compare(test, value, now)


def fold(text: str) -> str:
    """Lower case for A–Z only, as PostgreSQL does under the C collation: the same everywhere."""
    return text.translate(_UPPER_TO_LOWER)


def _string(test: Test, value: str, now: dt.datetime) -> bool:
    said = test.value
    if test.ignore_case:
        value = fold(value)
        said = tuple(map(fold, said)) if isinstance(said, tuple) else fold(said) if isinstance(said, str) else said
    match test.op:
        case "=":
            return bool(value == said)
        case "in":
            return value in said
        case "contains":
            return said in value
        case "starts with":
            return value.startswith(said)
        case "ends with":
            return value.endswith(said)
        case "matches":
            return bool(_compiled(said).search(value[: pattern.LONGEST_VALUE]))
        case "is empty":
            return value == ""
    return COMPARE[test.value[0]](len(value), test.value[1])


@lru_cache(maxsize=256)
def _compiled(text: str) -> re.Pattern[str]:
    return re.compile(pattern.for_python(text), re.DOTALL)


def _number(test: Test, value: int | Decimal, now: dt.datetime) -> bool:
    if test.op == "between":
        return bool(test.value[0] <= value <= test.value[1])
    return value in test.value if test.op == "in" else COMPARE[test.op](value, test.value)


def _bool(test: Test, value: bool, now: dt.datetime) -> bool:
    return value is (test.op == "is true")


def _date(test: Test, value: str | dt.datetime, now: dt.datetime) -> bool:
    at = moment(value) if isinstance(value, str) else value
    if at is None:
        return False
    match test.op:
        case "before":
            return bool(at < test.value)
        case "after":
            return bool(at > test.value)
        case "on":
            return bool(test.value <= at < test.value + dt.timedelta(days=1))
        case "within":
            return bool(test.value[0] <= at <= test.value[1])
        case "in the last":
            return bool(now - test.value <= at <= now)
        case "more than ago":
            return bool(at < now - test.value)
        case "in the next":
            return bool(now < at <= now + test.value)
    return bool(at > now + test.value)


def _list(test: Test, value: list[Any], now: dt.datetime) -> bool:
    match test.op:
        case "is empty":
            return not value
        case "length":
            return COMPARE[test.value[0]](len(value), test.value[1])
        case "contains all":
            return all(any(_same(one, wanted) for one in value) for wanted in test.value)
    return any(_same(one, wanted) for one in value for wanted in test.value)


def _same(one: Any, wanted: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return isinstance(one, bool) == isinstance(wanted, bool) and type(one) not in (list, dict) and bool(one == wanted)


_KINDS: dict[str, tuple[Callable[[Test, Any, dt.datetime], bool], tuple[type, ...]]] = {
    "string": (_string, (str,)),
    "number": (_number, (int, Decimal)),
    "bool": (_bool, (bool,)),
    "date": (_date, (str, dt.datetime)),
    "list": (_list, (list,)),
}
