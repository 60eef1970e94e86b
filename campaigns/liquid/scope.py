"""What a template sees while the library interprets it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from typing import Any, TextIO

from liquid import Token
from liquid.ast import Node
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.for_tag import ForLoop, ForNode, ForTag
from liquid.context import RenderContext
from liquid.exceptions import LoopIterationLimitError
from liquid.output import LimitedStringIO
from liquid.template import BoundTemplate
from liquid.utils.chain_map import ReadOnlyChainMap

from campaigns.liquid import limits
from campaigns.liquid.missing import Missing
from campaigns.liquid.values import as_text, path_text, step

_NO_DEFAULT: Any = object()


class Scope(RenderContext):
    """Plain data only: no attribute of an object, no server clock. Null and blank text read as missing."""

    __slots__ = ("facts", "loop_weight", "used_fallback", "work")

    def __init__(self, template: BoundTemplate, *, globals: Mapping[str, object] | None = None, **kwargs: Any) -> None:
        super().__init__(template, globals=globals, **kwargs)
        self.scope = ReadOnlyChainMap(self.locals, self.globals)
        self.facts = self.globals
        self.used_fallback = False
        self.work = 0
        self.loop_weight = 1

    def get(self, path: list[object], *, token: Token | None, default: object = _NO_DEFAULT) -> object:
        root = path[0]
        value: Any = None
        try:
            value = self.scope[root] if isinstance(root, str) else None
            for key in path[1:]:
                value = step(value, key)
        except (KeyError, IndexError, TypeError):
            value = None
        # What a template itself assigned may be an empty text on purpose.
        if value is None or (isinstance(value, str) and (not value or value.isspace()) and root not in self.locals):
            return Missing(path_text(path), token=token) if default is _NO_DEFAULT else default
        return value

    def charge(self, steps: int) -> None:
        """Count work done. Raises when one rendering does more than it may."""
        self.work += steps
        if self.work > limits.WORK:
            raise LoopIterationLimitError("this does too much work for one message", token=None)

    @contextmanager
    def loop(self, namespace: Mapping[str, object], forloop: Any) -> Iterator[RenderContext]:
        self.charge(forloop.length * self.loop_weight)
        with super().loop(namespace, forloop) as scope:
            yield scope

    def get_buffer(self, buf: TextIO | None = None) -> StringIO:
        written = buf.size if isinstance(buf, LimitedStringIO) else 0
        return LimitedStringIO(limit=limits.OUTPUT - written, newline="\n")


class TextNode(OutputNode):
    """`{{ value }}`: refuses what has no value, instead of writing nothing."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(as_text(self.expression.evaluate(context)))


class TextOutput(Output):
    node_class = TextNode


class WeighedForNode(ForNode):
    """A loop that knows how much one turn of it costs."""

    __slots__ = ("weight",)
    weight: int

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        assert isinstance(context, Scope)
        context.loop_weight = self.weight
        return super().render_to_output(context, buffer)


class WeighedForTag(ForTag):
    node_class = WeighedForNode


__all__ = ["ForLoop", "Node", "Scope", "TextNode", "TextOutput", "WeighedForNode", "WeighedForTag"]
