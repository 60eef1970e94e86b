"""Walks over the parsed tree: what is refused before anything runs, and what is exchanged for a bounded form."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from liquid import RenderContext, Token
from liquid.ast import Node
from liquid.builtin.expressions.arguments import KeywordArgument, PositionalArgument
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.logical import EqExpression, NeExpression
from liquid.builtin.expressions.primitive import Blank, Empty, IntegerLiteral, RangeLiteral, StringLiteral
from liquid.exceptions import ResourceLimitError
from liquid.expression import Expression

from campaigns.liquid import limits
from campaigns.liquid.missing import is_blank
from campaigns.liquid.scope import WeighedForNode

PARTS = (Node, Expression, Filter, PositionalArgument, KeywordArgument)


class Refused(ValueError):
    """The text is not Liquid that a message may use. `line` and `column` count from 1; 0 where there is no place."""

    def __init__(self, message: str, *, line: int = 0, column: int = 0) -> None:
        super().__init__(f"{message} (line {line}, column {column})" if line else message)
        self.message = message
        self.line = line
        self.column = column


def refused_at(message: str, token: Token | None) -> Refused:
    if token is None or token.start_index < 0:
        return Refused(message)
    line, column = position(token.source, token.start_index)
    return Refused(message, line=line, column=column)


def position(source: str, index: int) -> tuple[int, int]:
    """Line and column of a character, counted from 1."""
    before = source[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


class BlankTest(Expression):
    """`x == blank`, `x == empty`, `x == ''`: true for whatever says nothing, missing values included."""

    __slots__ = ("left", "negated")

    def __init__(self, token: Token, left: Expression, *, negated: bool) -> None:
        super().__init__(token)
        self.left = left
        self.negated = negated

    def evaluate(self, context: RenderContext) -> bool:
        return is_blank(self.left.evaluate(context)) is not self.negated

    def children(self) -> list[Expression]:
        return [self.left]


class BoundedRange(RangeLiteral):
    """`(1..n)` with at most limits.RANGE numbers, also where n comes from data."""

    __slots__ = ()

    def evaluate(self, context: RenderContext) -> range:
        found = super().evaluate(context)
        if found.stop - found.start > limits.RANGE:
            raise ResourceLimitError(f"a range has at most {limits.RANGE} numbers", token=self.token)
        return found


def prepare(nodes: list[Node], filters: dict[str, Callable[..., Any]]) -> None:
    """Bound what the library leaves unbounded, in place. Raises Refused."""
    for node in nodes:
        _walk(node, filters, depth=0)
        for found in everything(node):
            if isinstance(found, WeighedForNode):
                found.weight = 1 + sum(1 for _ in everything(found.block, into_loops=False))


def everything(part: Any, *, into_loops: bool = True) -> Iterator[Any]:
    """A part of the tree and all that is in it."""
    yield part
    for child in children(part):
        if into_loops or not isinstance(child, WeighedForNode):
            yield from everything(child, into_loops=into_loops)


def children(part: Any) -> list[Any]:
    """The nodes, expressions, filters and arguments directly in a part."""
    found = []
    for name in _slots(type(part)):
        value = getattr(part, name, None)
        found += [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, PARTS)]
    return found


def _slots(kind: type) -> list[str]:
    names: list[str] = []
    for one in kind.__mro__:
        slots = one.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else list(slots)
    return names


def _walk(part: Any, filters: dict[str, Callable[..., Any]], *, depth: int) -> None:
    if depth > limits.DEPTH:
        raise refused_at("This is nested too deeply. Make it simpler.", getattr(part, "token", None))
    if isinstance(part, Filter):
        _known(part, filters)
    for name in _slots(type(part)):
        value = getattr(part, name, None)
        if isinstance(value, list):
            value[:] = [_exchanged(one) for one in value]
        elif isinstance(value, Expression):
            setattr(part, name, _exchanged(value))
    for child in children(part):
        _walk(child, filters, depth=depth + 1)


def _exchanged(part: Any) -> Any:
    if type(part) is RangeLiteral:
        if isinstance(part.start, IntegerLiteral) and isinstance(part.stop, IntegerLiteral):
            if part.stop.value - part.start.value >= limits.RANGE:
                raise refused_at(f"A range has at most {limits.RANGE} numbers.", part.token)
        return BoundedRange(part.token, part.start, part.stop)
    if isinstance(part, (EqExpression, NeExpression)):
        for one, other in ((part.left, part.right), (part.right, part.left)):
            if isinstance(other, (Blank, Empty)) or (isinstance(other, StringLiteral) and not other.value):
                return BlankTest(part.token, one, negated=isinstance(part, NeExpression))
    return part


def _known(one: Filter, filters: dict[str, Callable[..., Any]]) -> None:
    function = filters.get(one.name)
    if function is None:
        raise refused_at(f"There is no filter “{one.name}”.", one.token)
    keywords = {argument.name: None for argument in one.args if isinstance(argument, KeywordArgument)}
    given = [None for argument in one.args if isinstance(argument, PositionalArgument)]
    signature: inspect.Signature = function.signature  # type: ignore[attr-defined]
    if "facts" in signature.parameters and "facts" not in keywords:
        keywords["facts"] = None
    try:
        signature.bind(None, *given, **keywords)
    except TypeError:
        raise refused_at(f"The filter “{one.name}” does not take these values.", one.token) from None
