"""The checked tree: frozen values, which both compilers read."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class All:
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Nothing:
    """None of the children holds."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class ExactlyOne:
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    child: Node


@dataclass(frozen=True, slots=True)
class Everyone:
    pass


@dataclass(frozen=True, slots=True)
class Test:
    """A typed comparison of one value. `op` is always the positive one; `negated` makes its exact complement.

    `value` has the type of the operator: str, Decimal, moment, a tuple of them, or (comparison, number) for lengths.
    """

    kind: Literal["string", "number", "bool", "date", "list", "any"]
    op: str
    value: Any = None
    negated: bool = False
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class Attribute:
    """A profile's attribute by path, or one of its own fields (`$created_at` and the like)."""

    path: tuple[str, ...]
    test: Test


@dataclass(frozen=True, slots=True)
class Window:
    """Which events count. `last` ends at the moment of evaluation; all None means ever."""

    last: dt.timedelta | None = None
    start: dt.datetime | None = None
    end: dt.datetime | None = None

    def bounds(self, now: dt.datetime) -> tuple[dt.datetime | None, dt.datetime]:
        """(exclusive start or None, inclusive end)."""
        end = min(self.end, now) if self.end else now
        if self.last is not None:
            return now - self.last, end
        return self.start, end


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Events of this name whose properties pass every test."""

    name: str
    where: tuple[tuple[tuple[str, ...], Test], ...] = ()


@dataclass(frozen=True, slots=True)
class EventCount:
    """How often: `least` ≤ count ≤ `most` (None: without end), negated where asked."""

    event: EventFilter
    window: Window
    least: int
    most: int | None
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """Some `first` in the window that was followed by a `then` within the time, or (happened False) that was not,
    the time being over. With a `key`, both must agree in that property."""

    first: EventFilter
    then: EventFilter
    within: dt.timedelta
    happened: bool
    window: Window
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TopicChoice:
    topic: str
    choice: Literal["in", "out", "none"]


@dataclass(frozen=True, slots=True)
class HasDevice:
    """There is a device that passes every test; without tests: any device."""

    tests: tuple[tuple[str, Test], ...]


@dataclass(frozen=True, slots=True)
class Bucket:
    salt: str
    first: int
    last: int


Node = (
    All
    | AnyOf
    | Nothing
    | ExactlyOne
    | Not
    | Everyone
    | Attribute
    | EventCount
    | Sequence
    | TopicChoice
    | HasDevice
    | Bucket
)
