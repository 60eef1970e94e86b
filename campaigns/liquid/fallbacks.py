"""Which outputs could meet a missing value. The rule, exactly:

An output `{{ … }}` is safe when its value is *sure*. Sure are
- a literal, `now`, `site.name`, `site.url`, and what `forloop` says;
- a value after `| default: …` whose own fallback is sure;
- a value put through further filters, if each filter's values are sure and it is none that may give nothing
  (first, last, date, money, number);
- a path that is *known to be there* at this place, and whatever the path runs through: inside `{% if path %}`,
  `path != blank`, `path != nil`, a comparison of the path that a missing value cannot satisfy (`path == 'x'`,
  `path > 3`, `path contains 'x'`), `{% case path %}{% when 'x' %}`, the else of their opposites, and inside the body of
  a loop over it. `and` joins what both sides know; `or` keeps what either side alone would know;
- a variable assigned from a sure value, in this block or around it; the variable of a loop.
Nothing else is: not a captured text (it may be empty), not a variable assigned in one branch only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from liquid.ast import BlockNode, Node
from liquid.builtin.expressions import BooleanExpression, Filter, FilteredExpression, Path
from liquid.builtin.expressions import logical as logic
from liquid.builtin.expressions.primitive import Blank, Empty, Literal, Nil
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.case_tag import CaseNode, MultiExpressionBlockNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode

from campaigns.liquid.environment import parse
from campaigns.liquid.filters import MAY_GIVE_NOTHING
from campaigns.liquid.scope import TextNode, WeighedForNode
from campaigns.liquid.tree import BlankTest, BoundedRange, everything, position

Location = tuple[Any, ...]
Facts = frozenset[Location]

ALWAYS_THERE: Facts = frozenset({("now",), ("site", "name"), ("site", "url")})


@dataclass(frozen=True, slots=True)
class Unguarded:
    """An output that could meet a missing value. Line and column count from 1."""

    text: str
    line: int
    column: int


def unguarded(source: str) -> list[Unguarded]:
    """The outputs without a fallback, in the order of the text. Raises Refused."""
    found: list[Unguarded] = []
    _visit(parse(source).nodes, ALWAYS_THERE, found)
    return found


def _visit(nodes: list[Node], known: Facts, found: list[Unguarded]) -> Facts:
    """Looks through statements that run after one another. Returns what is known after them."""
    for node in nodes:
        known = _statement(node, known, found)
    return known


def _statement(node: Any, known: Facts, found: list[Unguarded]) -> Facts:
    if isinstance(node, TextNode):
        if not _sure(node.expression, known):
            line, column = position(node.token.source, node.token.start_index)
            found.append(Unguarded(str(node), line, column))
        return known
    if isinstance(node, AssignNode):
        after = _without(known, {str(node.name)})
        return after | {(str(node.name),)} if _sure(node.expression, known) else after
    if isinstance(node, CaptureNode):
        _visit(node.block.nodes, known, found)
        return _without(known, {str(node.name)})
    if isinstance(node, (IfNode, UnlessNode)):
        return _branches(node, known, found)
    if isinstance(node, CaseNode):
        return _case(node, known, found)
    if isinstance(node, WeighedForNode):
        return _loop(node, known, found)
    return known


def _branches(node: Any, known: Facts, found: list[Unguarded]) -> Facts:
    holds, fails = _knows(node.condition)
    if isinstance(node, UnlessNode):
        holds, fails = fails, holds
    ends = [_visit(node.consequence.nodes, known | holds, found)]
    so_far = known | fails
    for other in node.alternatives:
        holds, fails = _knows(other.expression)
        ends.append(_visit(other.block.nodes, so_far | holds, found))
        so_far |= fails
    ends.append(_visit(node.default.nodes, so_far, found) if node.default else so_far)
    return frozenset.intersection(*ends)


def _case(node: CaseNode, known: Facts, found: list[Unguarded]) -> Facts:
    ends = [known]
    left = _location(node.expression)
    for block in node.blocks:
        inside = known
        nodes = block.nodes if isinstance(block, BlockNode) else block.block.nodes
        if isinstance(block, MultiExpressionBlockNode) and left and all(map(_says, block.expression.expressions)):
            inside = known | {left}
        ends.append(_visit(nodes, inside, found))
    # More than one branch can run, one after another.
    return frozenset.intersection(*ends)


def _loop(node: WeighedForNode, known: Facts, found: list[Unguarded]) -> Facts:
    changed = {str(name) for part in everything(node) for name in getattr(part, "template_scope", list)()}
    stable = _without(known, changed)
    inside = stable | {(str(node.expression.identifier),), ("forloop",)}
    iterable = _location(node.expression.iterable)
    if iterable:
        inside |= {iterable}
    _visit(node.block.nodes, inside, found)
    if node.default:
        _visit(node.default.nodes, stable, found)
    return stable


def _without(known: Facts, names: set[str]) -> Facts:
    return frozenset(location for location in known if not _mentions(location, names))


def _mentions(location: Location, names: set[str]) -> bool:
    return location[0] in names or any(isinstance(one, tuple) and _mentions(one, names) for one in location)


def _sure(expression: Any, known: Facts) -> bool:
    if isinstance(expression, FilteredExpression):
        sure = _sure(expression.left, known)
        date_of_now = _date_of_now(expression)
        for one in expression.filters or []:
            given = all(_sure(argument.value, known) for argument in one.args)
            if one.name == "default":
                sure = given
            else:
                sure = sure and given and (one.name not in MAY_GIVE_NOTHING or one is date_of_now)
        return sure
    if isinstance(expression, Literal):
        return True
    if isinstance(expression, BoundedRange):
        return _sure(expression.start, known) and _sure(expression.stop, known)
    location = _location(expression)
    return bool(location) and _is_known(location, known)


def _date_of_now(expression: FilteredExpression) -> Filter | None:
    """`{{ 'now' | date: … }}` is always a date, unless another filter comes before it."""
    left = expression.left
    is_moment = _location(left) == ("now",) or (isinstance(left, Literal) and left.value in ("now", "today"))
    first = next(iter(expression.filters or []), None)
    return first if is_moment and first is not None and first.name == "date" else None


def _is_known(location: Location | None, known: Facts) -> bool:
    """The path itself, or a longer one that runs through it, is there. `size` of what is there is, too."""
    if not location:
        return False
    if location[0] == "forloop" and ("forloop",) in known and len(location) > 1:
        return True
    if location[-1] == "size" and _is_known(location[:-1], known):
        return True
    return any(one[: len(location)] == location for one in known)


def _location(expression: Any) -> Location | None:
    """The segments of a path; None for anything else. What is read from data stands for itself by its text."""
    if isinstance(expression, BooleanExpression):
        return _location(expression.expression)
    if isinstance(expression, FilteredExpression) and not expression.filters:
        return _location(expression.left)
    if not isinstance(expression, Path):
        return None
    return tuple(_location(one) if isinstance(one, Path) else one for one in expression.path)


def _says(expression: Any) -> bool:
    """Whether no missing value can be equal to it."""
    return isinstance(expression, Literal)


def _knows(expression: Any) -> tuple[Facts, Facts]:
    """What is known to be there when a condition holds, and when it does not."""
    nothing: Facts = frozenset()
    if isinstance(expression, BooleanExpression):
        return _knows(expression.expression)
    if isinstance(expression, Path):
        location = _location(expression)
        return (frozenset({location}) if location else nothing), nothing
    if isinstance(expression, BlankTest):
        location = _location(expression.left)
        there = frozenset({location}) if location else nothing
        return (there, nothing) if expression.negated else (nothing, there)
    if isinstance(expression, logic.LogicalAndExpression):
        (left, not_left), (right, not_right) = _knows(expression.left), _knows(expression.right)
        return left | right, not_left & not_right
    if isinstance(expression, logic.LogicalOrExpression):
        (left, not_left), (right, not_right) = _knows(expression.left), _knows(expression.right)
        return left & right, not_left | not_right
    if isinstance(expression, (logic.EqExpression, logic.NeExpression)):
        there = _compared(expression.left, expression.right)
        absent = _compared_with_nil(expression.left, expression.right)
        if isinstance(expression, logic.EqExpression):
            return there, absent
        return absent, there
    if isinstance(expression, _ORDERED):
        sides = (_location(expression.left), _location(expression.right))
        return frozenset(one for one in sides if one), nothing
    return nothing, nothing


_ORDERED = (
    logic.LtExpression,
    logic.GtExpression,
    logic.LeExpression,
    logic.GeExpression,
    logic.ContainsExpression,
)


def _compared(left: Any, right: Any) -> Facts:
    """A path that equals a literal is there."""
    for one, other in ((left, right), (right, left)):
        location = _location(one)
        if location and _says(other):
            return frozenset({location})
    return frozenset()


def _compared_with_nil(left: Any, right: Any) -> Facts:
    """A path that differs from nil is there."""
    for one, other in ((left, right), (right, left)):
        location = _location(one)
        if location and isinstance(other, (Nil, Blank, Empty)):
            return frozenset({location})
    return frozenset()
