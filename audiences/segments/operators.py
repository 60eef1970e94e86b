"""Operators by type: which there are, and how their values are read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from audiences.segments import pattern
from audiences.segments.reading import Path, date, duration
from audiences.segments.refusal import InvalidRule
from audiences.segments.tree import Test

MOST_VALUES = 100
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")

# kind → operator as written → (positive operator, negated, how its value is read)
OPERATORS: dict[str, dict[str, tuple[str, bool, str]]] = {
    "any": {"exists": ("exists", False, ""), "missing": ("exists", True, "")},
    "string": {
        "=": ("=", False, "text"),
        "!=": ("=", True, "text"),
        "in": ("in", False, "texts"),
        "not in": ("in", True, "texts"),
        "contains": ("contains", False, "text"),
        "not contains": ("contains", True, "text"),
        "starts with": ("starts with", False, "text"),
        "not starts with": ("starts with", True, "text"),
        "ends with": ("ends with", False, "text"),
        "matches": ("matches", False, "pattern"),
        "is empty": ("is empty", False, ""),
        "length": ("length", False, "length"),
    },
    "number": {
        "=": ("=", False, "number"),
        "!=": ("=", True, "number"),
        "<": ("<", False, "number"),
        "<=": ("<=", False, "number"),
        ">": (">", False, "number"),
        ">=": (">=", False, "number"),
        "between": ("between", False, "numbers"),
        "not between": ("between", True, "numbers"),
        "in": ("in", False, "list of numbers"),
    },
    "bool": {"is true": ("is true", False, ""), "is false": ("is false", False, "")},
    "date": {
        "before": ("before", False, "date"),
        "after": ("after", False, "date"),
        "on": ("on", False, "day"),
        "between": ("within", False, "dates"),
        "in the last": ("in the last", False, "duration"),
        "more than ago": ("more than ago", False, "duration"),
        "in the next": ("in the next", False, "duration"),
        "more than ahead": ("more than ahead", False, "duration"),
    },
    "list": {
        "contains": ("contains any", False, "one"),
        "contains any": ("contains any", False, "values"),
        "contains all": ("contains all", False, "values"),
        "contains none": ("contains any", True, "values"),
        "is empty": ("is empty", False, ""),
        "length": ("length", False, "length"),
    },
}


def test(rule: Mapping[str, Any], path: Path) -> Test:
    """The comparison that {kind, op, value, compare, ignore_case} describes."""
    op = rule.get("op")
    if op in OPERATORS["any"]:
        positive, negated, _ = OPERATORS["any"][str(op)]
        return Test("any", positive, negated=negated)
    kind = rule.get("kind")
    if kind not in OPERATORS or kind == "any":
        raise InvalidRule((*path, "kind"), "Choose the type: text, number, yes/no, date or list.")
    if not isinstance(op, str) or op not in OPERATORS[kind]:
        raise InvalidRule((*path, "op"), f"Choose one of: {', '.join(OPERATORS[kind])}.")
    positive, negated, reading = OPERATORS[kind][op]
    ignore_case = rule.get("ignore_case", False)
    if not isinstance(ignore_case, bool):
        raise InvalidRule((*path, "ignore_case"), "Choose yes or no.")
    value = _READERS[reading](rule, (*path, "value")) if reading else None
    return Test(kind, positive, value, negated, ignore_case and kind == "string")


def _text(rule: Mapping[str, Any], path: Path) -> str:
    said = rule.get("value")
    if not isinstance(said, str) or not said or len(said) > 1000 or "\0" in said:
        raise InvalidRule(path, "Write the text to compare with.")
    return said


def _each(rule: Mapping[str, Any], path: Path, read: Callable[[Mapping[str, Any], Path], Any]) -> tuple[Any, ...]:
    said = rule.get("value")
    if not isinstance(said, list) or not 0 < len(said) <= MOST_VALUES:
        raise InvalidRule(path, f"Give 1 to {MOST_VALUES} values.")
    return tuple(read({"value": one}, (*path, i)) for i, one in enumerate(said))


def _number(rule: Mapping[str, Any], path: Path) -> Decimal:
    said = rule.get("value")
    if isinstance(said, bool) or not isinstance(said, int | float) or said != said or abs(said) > 1e300:
        raise InvalidRule(path, "Give a number.")
    return Decimal(repr(said))


def _numbers(rule: Mapping[str, Any], path: Path) -> tuple[Decimal, ...]:
    pair = _each(rule, path, _number)
    if len(pair) != 2 or pair[0] > pair[1]:
        raise InvalidRule(path, "Give two numbers, the smaller first.")
    return pair


def _pattern(rule: Mapping[str, Any], path: Path) -> str:
    said = _text(rule, path)
    try:
        pattern.check(said)
    except pattern.InvalidPattern as invalid:
        raise InvalidRule(path, str(invalid)) from None
    return said


def _length(rule: Mapping[str, Any], path: Path) -> tuple[str, int]:
    compare, number = rule.get("compare"), rule.get("value")
    if compare not in COMPARISONS:
        raise InvalidRule((*path[:-1], "compare"), f"Choose one of: {', '.join(COMPARISONS)}.")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 1_000_000:
        raise InvalidRule(path, "Give a whole number, 0 or more.")
    return str(compare), number


def _date(rule: Mapping[str, Any], path: Path) -> dt.datetime:
    return date(rule.get("value"), path)


def _day(rule: Mapping[str, Any], path: Path) -> dt.datetime:
    found = _date(rule, path)
    if len(str(rule.get("value"))) != 10:
        raise InvalidRule(path, "Give a day such as 2026-11-24.")
    return found


def _dates(rule: Mapping[str, Any], path: Path) -> tuple[dt.datetime, ...]:
    pair = _each(rule, path, _date)
    if len(pair) != 2 or pair[0] > pair[1]:
        raise InvalidRule(path, "Give two dates, the earlier first.")
    return pair


def _duration(rule: Mapping[str, Any], path: Path) -> dt.timedelta:
    return duration(rule.get("value"), path)


def _value(rule: Mapping[str, Any], path: Path) -> Any:
    said = rule.get("value")
    return _text(rule, path) if isinstance(said, str) else said if isinstance(said, bool) else _number(rule, path)


_READERS: dict[str, Callable[[Mapping[str, Any], Path], Any]] = {
    "text": _text,
    "texts": lambda rule, path: _each(rule, path, _text),
    "number": _number,
    "numbers": _numbers,
    "list of numbers": lambda rule, path: _each(rule, path, _number),
    "pattern": _pattern,
    "length": _length,
    "date": _date,
    "day": _day,
    "dates": _dates,
    "duration": _duration,
    "one": lambda rule, path: (_value(rule, path),),
    "values": lambda rule, path: _each(rule, path, _value),
}
