"""The values that a marketer hands to an app: one a line, as `name = value`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

LARGEST_NUMBER = 2**53
_NAME = re.compile(r"[\w-]{1,64}")


def read(text: str) -> dict[str, Any] | str:
    """The values by name, or the text itself where a line is none. A number, true, false, a list or an object in JSON is
    taken as that, everything else as text, which may hold Liquid."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        name, sign, value = (part.strip() for part in line.partition("="))
        if not line.strip():
            continue
        if not sign or not _NAME.fullmatch(name) or name in found:
            return text
        found[name] = _value(value)
    return found


def lines(data: Mapping[str, Any]) -> str:
    """The same values as `read` takes them, by name: the database keeps no order."""
    return "\n".join(f"{name} = {_line(value)}" for name, value in sorted(data.items()))


def _value(text: str) -> Any:
    try:
        value = json.loads(text, parse_int=_whole, parse_float=_share, parse_constant=_refused)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return text
    return text if "\\u0000" in text else value


def _line(value: Any) -> str:
    if isinstance(value, str) and "\n" not in value and value == value.strip() and _value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _whole(digits: str) -> int:
    return _refused(digits) if len(digits) > 17 or abs(int(digits)) > LARGEST_NUMBER else int(digits)


def _share(digits: str) -> float:
    return float(digits) if math.isfinite(float(digits)) else _refused(digits)


def _refused(text: str) -> Any:
    raise ValueError(f"{text} is kept as text")
