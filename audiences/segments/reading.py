"""Reading the small values of a rule: names, numbers, times. Each refusal says what to write instead."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from audiences.segments.moments import moment
from audiences.segments.refusal import InvalidRule

Path = tuple[str | int, ...]
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LONGEST_NAME = 200


def duration(said: Any, path: Path) -> dt.timedelta:
    """`90m`, `36h`, `2d`, `4w`: up to ten years."""
    found = re.fullmatch(r"(\d{1,6})([mhdw])", said) if isinstance(said, str) else None
    if not found or not int(found[1]):
        raise InvalidRule(path, "Give a time such as 90m, 36h, 2d or 4w.")
    length = dt.timedelta(**{UNITS[found[2]]: int(found[1])})
    if length > dt.timedelta(days=3660):
        raise InvalidRule(path, "Ten years at most.")
    return length


def date(said: Any, path: Path) -> dt.datetime:
    found = moment(said) if isinstance(said, str) else None
    if found is None:
        raise InvalidRule(path, "Give a date such as 2026-11-24, or a time such as 2026-11-24T18:00:00Z.")
    return found


def text(said: Any, path: Path, refusal: str) -> str:
    if not isinstance(said, str) or not said.strip() or len(said) > LONGEST_NAME or "\0" in said:
        raise InvalidRule(path, refusal)
    return said


def whole(said: Any, path: Path) -> int:
    if not isinstance(said, int) or isinstance(said, bool) or not 0 <= said <= 1_000_000_000:
        raise InvalidRule(path, "Give a whole number, 0 or more.")
    return said


def known(rule: Mapping[str, Any], names: set[str], path: Path) -> None:
    for name in rule:
        if name not in names:
            raise InvalidRule((*path, str(name)), f"“{name}” has no meaning here.")
