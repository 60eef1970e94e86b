"""The filters that a message may use, each bounded: what python-liquid brings grows without limit.

A missing value passes through every filter untouched until `default` replaces it, so that
`{{ profile.first_name | capitalize | default: 'you' }}` means what it says.
"""

from __future__ import annotations

import functools
import html
import inspect
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from liquid.builtin.filters import array, math
from liquid.exceptions import FilterArgumentError, ResourceLimitError
from liquid.filter import with_context

from campaigns.liquid import limits
from campaigns.liquid.local import LOCAL
from campaigns.liquid.missing import Missing, is_blank
from campaigns.liquid.values import as_text, step

Function = Callable[..., Any]


def bounded(name: str, function: Function, *, needs_facts: bool = False) -> Function:
    """A filter for the environment: charges for its input, lets missing values pass, refuses what grew too much."""

    @with_context
    @functools.wraps(function)
    def run(value: Any, *args: Any, context: Any, **kwargs: Any) -> Any:
        context.charge(_weight(value))
        for given in (value, *args, *kwargs.values()):
            if isinstance(given, Missing):
                return given
        if value is None:
            return Missing("nil", token=None)
        if needs_facts:
            kwargs["facts"] = context.facts
        return _checked(name, function(value, *args, **kwargs))

    run.signature = inspect.signature(function)  # type: ignore[attr-defined]
    return run


def _weight(value: Any) -> int:
    if isinstance(value, str):
        return 1 + len(value) // 256
    if isinstance(value, (list, tuple)):
        return 1 + len(value) * len(value) // 1_000 + len(value)
    return 1


def _checked(name: str, result: Any) -> Any:
    if result is None:
        return Missing(f"the result of “{name}”", token=None)
    if isinstance(result, str):
        _fits(len(result))
    elif isinstance(result, list) and len(result) > limits.ITEMS:
        raise ResourceLimitError(f"“{name}” gives more than {limits.ITEMS} items", token=None)
    elif isinstance(result, (int, float)) and not abs(result) <= limits.NUMBER:
        raise ResourceLimitError(f"“{name}” gives a number that is too large", token=None)
    return result


def _fits(length: int) -> None:
    if length > limits.TEXT:
        raise ResourceLimitError(f"the text grows beyond {limits.TEXT} characters", token=None)


@with_context
def default(value: Any, fallback: Any = "", *, allow_false: bool = False, context: Any) -> Any:
    """The fallback for a value that is missing, null, blank, an empty list, or false."""
    if is_blank(value) or (value is False and allow_false is not True):
        context.used_fallback = True
        return Missing("the fallback", token=None) if fallback is None else fallback
    return value


default.signature = inspect.signature(  # type: ignore[attr-defined]
    lambda value, fallback="", *, allow_false=False: None
)


def _text(function: Callable[..., Any]) -> Function:
    """A filter on text: numbers become text first; arguments too."""

    @functools.wraps(function)
    def run(value: Any, *args: Any, **kwargs: Any) -> Any:
        return function(as_text(value), *args, **kwargs)

    return run


def _append(value: str, more: Any) -> str:
    return value + as_text(more)


def _prepend(value: str, more: Any) -> str:
    return as_text(more) + value


def _replace(value: str, old: Any, new: Any = "", *, most: int = -1) -> str:
    old, new = as_text(old), as_text(new)
    times = value.count(old)
    _fits(len(value) + (times if most < 0 else min(times, most)) * (len(new) - len(old)))
    return value.replace(old, new, most)


def _replace_first(value: str, old: Any, new: Any = "") -> str:
    return _replace(value, old, new, most=1)


def _replace_last(value: str, old: Any, new: Any = "") -> str:
    before, found, after = value.rpartition(as_text(old)) if as_text(old) else (value, "", "")
    return before + as_text(new) + after if found or not as_text(old) else value


def _truncate(value: str, length: Any = 50, end: Any = "...") -> str:
    most, end = _whole(length), as_text(end)
    return value if len(value) <= most else value[: max(most - len(end), 0)] + end


def _truncatewords(value: str, words: Any = 15, end: Any = "...") -> str:
    most, all_words = max(_whole(words), 1), value.split()
    return " ".join(all_words) if len(all_words) <= most else " ".join(all_words[:most]) + as_text(end)


def _slice(value: Any, start: Any, length: Any = 1) -> Any:
    """Characters of a text or items of a list, from `start`, which may count from the end."""
    sequence = value if isinstance(value, (list, tuple)) else as_text(value)
    begin, most = _whole(start), max(_whole(length), 0)
    if begin < 0:
        begin += len(sequence)
        if begin < 0:
            return "" if isinstance(sequence, str) else []
    part = sequence[begin : begin + most]
    return part if isinstance(part, str) else list(part)


def _split(value: str, separator: Any) -> list[str]:
    cut = as_text(separator)
    _fits(len(value))
    return list(value) if not cut else value.split(None if cut == " " else cut, limits.ITEMS + 1)


def _whole(value: Any) -> int:
    if isinstance(value, str) and len(value) > 15:
        raise FilterArgumentError("expected a whole number", token=None)
    try:
        return int(value)
    except (ValueError, OverflowError, TypeError):
        raise FilterArgumentError("expected a whole number", token=None) from None


def _join(value: Any, separator: Any = " ") -> str:
    glue = as_text(separator)
    items = [as_text(item) for item in (value if isinstance(value, (list, tuple)) else [value]) if item is not None]
    _fits(sum(map(len, items)) + len(glue) * max(len(items) - 1, 0))
    return glue.join(items)


def _concat(value: Any, more: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)) or not isinstance(more, (list, tuple)):
        raise FilterArgumentError("concat joins two lists", token=None)
    return [*value, *more]


def _map(value: Any, key: Any) -> list[Any]:
    found = []
    for item in value if isinstance(value, (list, tuple)) else [value]:
        try:
            found.append(step(item, key))
        except (KeyError, IndexError, TypeError):
            found.append(None)
    return found


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) and value else None


def _last(value: Any) -> Any:
    return value[-1] if isinstance(value, (list, tuple)) and value else None


def _size(value: Any) -> int:
    return len(value) if isinstance(value, (str, list, tuple, dict)) else 0


TEXT: dict[str, Function] = {
    "append": _append,
    "prepend": _prepend,
    "capitalize": str.capitalize,
    "downcase": str.lower,
    "upcase": str.upper,
    "strip": lambda value: value.strip(),
    "lstrip": lambda value: value.lstrip(),
    "rstrip": lambda value: value.rstrip(),
    "squish": lambda value: " ".join(value.split()),
    "remove": lambda value, old: value.replace(as_text(old), ""),
    "remove_first": lambda value, old: value.replace(as_text(old), "", 1),
    "remove_last": lambda value, old: _replace_last(value, old) if as_text(old) else value,
    "replace": lambda value, old, new="": _replace(value, old, new),
    "replace_first": _replace_first,
    "replace_last": _replace_last,
    "split": _split,
    "strip_html": lambda value: re.sub(r"<[^<>]*>", "", value),
    "strip_newlines": lambda value: re.sub(r"\r?\n", "", value),
    "newline_to_br": lambda value: re.sub(r"\r?\n", "<br />\n", value),
    "truncate": _truncate,
    "truncatewords": _truncatewords,
    "url_encode": lambda value: quote_plus(value),
    "url_decode": lambda value: unquote_plus(value),
    "escape": lambda value: html.escape(value),
    "escape_once": lambda value: html.escape(html.unescape(value)),
}

NUMBERS: dict[str, Function] = {
    "abs": math.abs_,
    "at_most": math.at_most,
    "at_least": math.at_least,
    "ceil": math.ceil,
    "floor": math.floor,
    "plus": math.plus,
    "minus": math.minus,
    "times": math.times,
    "divided_by": math.divided_by,
    "modulo": math.modulo,
    "round": math.round_,
}

LISTS: dict[str, Function] = {
    "join": _join,
    "concat": _concat,
    "map": _map,
    "first": _first,
    "last": _last,
    "size": _size,
    "slice": _slice,
    "reverse": array.reverse,
    "sort": array.sort,
    "sort_natural": array.sort_natural,
    "uniq": array.uniq,
    "where": array.where,
    "compact": array.compact,
    "sum": array.sum_,
}

# Nothing comes of an empty list, or of what is no date or number: these need a fallback even where the value is known.
MAY_GIVE_NOTHING = frozenset({"first", "last", "date", "money", "number"})


def all_filters() -> dict[str, Function]:
    """Every filter of the dialect by name, ready for the environment."""
    return {
        **{name: bounded(name, _text(function)) for name, function in TEXT.items()},
        **{name: bounded(name, function) for name, function in (NUMBERS | LISTS).items()},
        **{name: bounded(name, function, needs_facts=True) for name, function in LOCAL.items()},
        "default": default,
    }
