"""How a path is followed through plain data, and how a value becomes text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from liquid.builtin.tags.for_tag import ForLoop
from liquid.exceptions import LiquidTypeError
from liquid.undefined import Undefined

from campaigns.liquid.missing import Missing


def step(obj: Any, key: Any) -> Any:
    """The value under a key of a dict, at an index of a list, or `size`, `first`, `last`. Never an attribute.

    Raises KeyError or IndexError when there is none.
    """
    if isinstance(obj, dict):
        try:
            return obj[key]
        except (KeyError, TypeError):
            if key == "size":
                return len(obj)
            raise KeyError(key) from None
    if isinstance(obj, (list, tuple)):
        if type(key) is int:
            return obj[key]
        if key == "size":
            return len(obj)
        if key in ("first", "last"):
            return obj[0 if key == "first" else -1]
    elif isinstance(obj, str) and key == "size":
        return len(obj)
    elif isinstance(obj, ForLoop) and isinstance(key, str):
        return obj[key]
    raise KeyError(key)


def path_text(path: Sequence[Any]) -> str:
    """A path as one writes it: last['Product Added'].name"""
    text = str(path[0])
    for segment in path[1:]:
        if isinstance(segment, str) and segment.isidentifier():
            text += f".{segment}"
        elif isinstance(segment, str):
            text += f"['{segment}']"
        else:
            text += f"[{segment.name if isinstance(segment, Undefined) else segment}]"
    return text


def as_text(value: Any) -> str:
    """What `{{ value }}` writes. Raises a LiquidError for a missing value, and for lists and mappings."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    if value is None:
        return str(Missing("nil", token=None))
    if isinstance(value, Missing):
        return str(value)
    if isinstance(value, (list, tuple)):
        raise LiquidTypeError("this is a list: write it with | join: ', '", token=None)
    raise LiquidTypeError("this is a group of values: name one of them", token=None)
