"""A parsed template as one Python function, made of closures: a fifth of what interpreting costs.

Exact or not at all: a template with a part that is not known here is interpreted by the library, and a property test
holds the two against each other. Comparisons and filters are the library's and the dialect's own functions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from liquid.ast import BlockNode, ConditionalBlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import BooleanExpression, FilteredExpression, Path
from liquid.builtin.expressions import logical as logic
from liquid.builtin.expressions.arguments import KeywordArgument
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.primitive import Literal, Nil
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.case_tag import CaseNode, MultiExpressionBlockNode
from liquid.builtin.tags.comment_tag import CommentNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.exceptions import LocalNamespaceLimitError, LoopIterationLimitError, OutputStreamLimitError
from liquid.expression import Expression
from liquid.output import LimitedStringIO
from liquid.template import BoundTemplate

from campaigns.liquid import limits
from campaigns.liquid.environment import DIALECT
from campaigns.liquid.missing import Missing, is_blank
from campaigns.liquid.scope import Scope, TextNode
from campaigns.liquid.tree import BlankTest
from campaigns.liquid.values import as_text, path_text, step

# (the text, whether a fallback stood in)
Render = Callable[[Mapping[str, Any]], tuple[str, bool]]


class Frame:
    """What one rendering knows. The part of Scope that filters use."""

    __slots__ = ("assigned", "facts", "used_fallback", "work")

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = facts
        self.assigned: dict[str, Any] = {}
        self.used_fallback = False
        self.work = 0

    def charge(self, steps: int) -> None:
        self.work += steps
        if self.work > limits.WORK:
            raise LoopIterationLimitError("this does too much work for one message", token=None)


Value = Callable[[Frame], Any]
Statement = Callable[[Frame, list[str]], None]


class NotCompilable(Exception):
    """A part that only the library knows."""


def compiled(template: BoundTemplate) -> Render:
    """The template as a function. Raises NotCompilable; the function raises what the library would."""
    statements = [_statement(node) for node in template.nodes]

    def render(facts: Mapping[str, Any]) -> tuple[str, bool]:
        frame, out = Frame(facts), []  # type: ignore[var-annotated]
        for run in statements:
            run(frame, out)
        text = "".join(out)
        if len(text) * 4 > limits.OUTPUT and len(text.encode()) > limits.OUTPUT:
            raise OutputStreamLimitError("output stream limit reached", token=None)
        return text, frame.used_fallback

    return render


def interpreted(template: BoundTemplate) -> Render:
    """The template run by the library: the reference."""

    def render(facts: Mapping[str, Any]) -> tuple[str, bool]:
        scope = Scope(template, globals=facts)
        buffer = LimitedStringIO(limit=limits.OUTPUT, newline="\n")
        template.render_with_context(scope, buffer)
        return buffer.getvalue(), scope.used_fallback

    return render


def quickest(template: BoundTemplate) -> Render:
    """Compiled where that is exact, else interpreted."""
    try:
        return compiled(template)
    except NotCompilable:
        return interpreted(template)


def _statement(node: Node) -> Statement:
    maker = _STATEMENTS.get(type(node))
    if maker is None:
        raise NotCompilable(type(node).__name__)
    return maker(node)


def _content(node: Any) -> Statement:
    text = node.text
    return lambda frame, out: out.append(text)


def _comment(node: Any) -> Statement:
    return lambda frame, out: None


def _output(node: Any) -> Statement:
    value = _value(node.expression)

    def write(frame: Frame, out: list[str]) -> None:
        found = value(frame)
        out.append(found if type(found) is str else as_text(found))

    return write


def _assign(node: Any) -> Statement:
    name, value = str(node.name), _value(node.expression)

    def assign(frame: Frame, out: list[str]) -> None:
        frame.assigned[name] = value(frame)
        if sum(sys.getsizeof(one, default=1) for one in frame.assigned.values()) > limits.NAMESPACE:
            raise LocalNamespaceLimitError("local namespace limit reached", token=None)

    return assign


def _block(block: Any) -> Statement:
    """The statements of a block. A block that can only write blanks runs, but writes nothing, as in the library."""
    if type(block) is not BlockNode:
        raise NotCompilable(type(block).__name__)
    statements = [_statement(node) for node in block.nodes]

    def run(frame: Frame, out: list[str]) -> None:
        for statement in statements:
            statement(frame, out)

    return (lambda frame, out: run(frame, [])) if block.blank else run


def _choice(node: Any) -> Statement:
    """if and unless, with their elsif and else."""
    wanted = type(node) is IfNode
    branches: list[tuple[Value, Statement]] = [(_value(node.condition), _block(node.consequence))]
    for other in node.alternatives:
        if type(other) is not ConditionalBlockNode:
            raise NotCompilable(type(other).__name__)
        branches.append((_value(other.expression), _block(other.block)))
    (first, consequence), others = branches[0], branches[1:]
    otherwise = _block(node.default) if node.default else None

    def choose(frame: Frame, out: list[str]) -> None:
        if bool(first(frame)) is wanted:
            return consequence(frame, out)
        for condition, block in others:
            if condition(frame):
                return block(frame, out)
        return otherwise(frame, out) if otherwise else None

    return choose


def _case(node: Any) -> Statement:
    left = _value(node.expression)
    blocks: list[tuple[list[Value] | None, Statement]] = []
    for block in node.blocks:
        if isinstance(block, MultiExpressionBlockNode):
            blocks.append(([_value(one) for one in block.expression.expressions], _block(block.block)))
        else:
            blocks.append((None, _block(block)))

    def choose(frame: Frame, out: list[str]) -> None:
        nothing_matched = True
        for whens, block in blocks:
            if whens is None:
                if nothing_matched:
                    block(frame, out)
                continue
            # Every `when` that matches writes, once for each value that does: so does the library.
            value = left(frame)
            matches = [logic._eq(value, when(frame)) for when in whens]
            if any(matches):
                nothing_matched = False
                for _ in range(matches.count(True)):
                    block(frame, out)

    return choose


_STATEMENTS: dict[type, Callable[[Any], Statement]] = {
    ContentNode: _content,
    CommentNode: _comment,
    TextNode: _output,
    AssignNode: _assign,
    IfNode: _choice,
    UnlessNode: _choice,
    CaseNode: _case,
}


def _value(expression: Expression) -> Value:
    if isinstance(expression, Literal):
        constant = expression.value
        return lambda frame: constant
    maker = _VALUES.get(type(expression))
    if maker is None:
        raise NotCompilable(type(expression).__name__)
    return maker(expression)


def _path(expression: Any) -> Value:
    if all(isinstance(segment, (str, int)) for segment in expression.path) and isinstance(expression.path[0], str):
        return _fixed_path(expression.path, expression.token)
    segments: list[Any] = [_path(one) if isinstance(one, Path) else one for one in expression.path]

    def read(frame: Frame) -> Any:
        path = [one(frame) if callable(one) else one for one in segments]
        return _follow(frame, path, path[1:], expression.token)

    return read


def _fixed_path(path: Sequence[Any], token: Any) -> Value:
    root, rest = path[0], path[1:]
    key = rest[0] if len(rest) == 1 else None

    def read(frame: Frame) -> Any:
        return _follow(frame, path, rest, token)

    if key is None:
        return read

    def read_two(frame: Frame) -> Any:
        """The common case, profile.first_name, without a loop."""
        group = frame.facts.get(root) if root not in frame.assigned else None
        if type(group) is dict:
            found = group.get(key)
            if found and (type(found) is not str or not found.isspace()):
                return found
        return _follow(frame, path, rest, token)

    return read_two


def _follow(frame: Frame, path: Sequence[Any], rest: Sequence[Any], token: Any) -> Any:
    root = path[0]
    value: Any = None
    is_own = False
    try:
        if isinstance(root, str):
            is_own = root in frame.assigned
            value = frame.assigned[root] if is_own else frame.facts[root]
        for key in rest:
            value = step(value, key)
    except (KeyError, IndexError, TypeError):
        value = None
    if value is None or (not is_own and isinstance(value, str) and (not value or value.isspace())):
        return Missing(path_text(path), token=token)
    return value


def _filtered(expression: Any) -> Value:
    value = _value(expression.left)
    for one in expression.filters or []:
        value = _filter(value, one)
    return value


def _filter(value: Value, one: Filter) -> Value:
    function = DIALECT.filters[one.name]
    given = [_value(argument.value) for argument in one.args if not isinstance(argument, KeywordArgument)]
    named = {argument.name: _value(argument.value) for argument in one.args if isinstance(argument, KeywordArgument)}
    if one.name == "default" and len(given) == 1 and not named:
        return _default(value, given[0], function)
    if not given and not named:
        return lambda frame: function(value(frame), context=frame)

    def run(frame: Frame) -> Any:
        # The order in which the library evaluates: the value, then what the filter is given.
        found = value(frame)
        return function(
            found,
            *[argument(frame) for argument in given],
            context=frame,
            **{name: argument(frame) for name, argument in named.items()},
        )

    return run


def _default(value: Value, fallback: Value, function: Callable[..., Any]) -> Value:
    def run(frame: Frame) -> Any:
        found, other = value(frame), fallback(frame)
        # Everything but blanks and false; the filter itself decides on those.
        if type(found) is str and found and not found.isspace():
            return found
        return function(found, other, context=frame)

    return run


def _boolean(expression: Any) -> Value:
    return _truth(_value(expression.expression))


def _truth(value: Value) -> Value:
    return lambda frame: logic.is_truthy(value(frame))


def _and(expression: Any) -> Value:
    left, right = _truth(_value(expression.left)), _truth(_value(expression.right))
    return lambda frame: left(frame) and right(frame)


def _or(expression: Any) -> Value:
    left, right = _truth(_value(expression.left)), _truth(_value(expression.right))
    return lambda frame: left(frame) or right(frame)


def _comparison(compare: Callable[[Any, Any, Any], Any]) -> Callable[[Any], Value]:
    def make(expression: Any) -> Value:
        left, right, token = _value(expression.left), _value(expression.right), expression.token
        return lambda frame: compare(token, left(frame), right(frame))

    return make


def _blank_test(expression: Any) -> Value:
    value, negated = _value(expression.left), expression.negated
    return lambda frame: is_blank(value(frame)) is not negated


_VALUES: dict[type, Callable[[Any], Value]] = {
    Path: _path,
    Nil: lambda expression: lambda frame: None,
    FilteredExpression: _filtered,
    BooleanExpression: _boolean,
    BlankTest: _blank_test,
    logic.LogicalAndExpression: _and,
    logic.LogicalOrExpression: _or,
    logic.EqExpression: _comparison(lambda token, left, right: logic._eq(left, right)),
    logic.NeExpression: _comparison(lambda token, left, right: not logic._eq(left, right)),
    logic.LeExpression: _comparison(lambda token, left, right: logic._le(left, right)),
    logic.GeExpression: _comparison(lambda token, left, right: logic._le(right, left)),
    logic.LtExpression: _comparison(logic._lt),
    logic.GtExpression: _comparison(lambda token, left, right: logic._lt(token, right, left)),
    logic.ContainsExpression: _comparison(logic._contains),
}
