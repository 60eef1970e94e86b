"""The dialect: which tags and filters there are, and how a text is read. `parse` is the only door."""

from __future__ import annotations

import re
from functools import lru_cache

from liquid import Environment, Mode
from liquid.builtin.content import Literal
from liquid.builtin.illegal import Illegal
from liquid.builtin.tags import (
    assign_tag,
    capture_tag,
    case_tag,
    comment_tag,
    for_tag,
    if_tag,
    inline_comment_tag,
    unless_tag,
)
from liquid.exceptions import LiquidError
from liquid.template import BoundTemplate

from campaigns.liquid import limits
from campaigns.liquid.filters import all_filters
from campaigns.liquid.missing import Missing
from campaigns.liquid.scope import Scope, TextOutput, WeighedForTag
from campaigns.liquid.tree import Refused, everything, position, prepare, refused_at

# What a message may speak of. Each is a group of plain values, apart from `now`.
ROOTS = ("profile", "event", "entry", "last", "catalog", "device", "message", "site", "now")

TAGS = (
    Literal,
    Illegal,
    TextOutput,
    WeighedForTag,
    for_tag.BreakTag,
    for_tag.ContinueTag,
    if_tag.IfTag,
    unless_tag.UnlessTag,
    case_tag.CaseTag,
    assign_tag.AssignTag,
    capture_tag.CaptureTag,
    comment_tag.CommentTag,
    inline_comment_tag.InlineCommentTag,
)


class Template(BoundTemplate):
    context_class = Scope


class Dialect(Environment):
    """Every limit set, allowlisted tags and filters, no other templates to include."""

    block_nesting_limit = 10
    context_depth_limit = 10
    loop_iteration_limit = limits.ITERATIONS
    local_namespace_limit = limits.NAMESPACE
    output_stream_limit = limits.OUTPUT
    template_class = Template

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        for tag in TAGS:
            self.add_tag(tag)
        self.filters = all_filters()


DIALECT = Dialect(tolerance=Mode.STRICT, undefined=Missing, strict_filters=True)


@lru_cache(maxsize=512)
def parse(source: str) -> BoundTemplate:
    """The parsed and bounded template. Raises Refused, which says what to change and where."""
    _scannable(source)
    try:
        template = DIALECT.from_string(source)
        prepare(template.nodes, DIALECT.filters)
    except LiquidError as error:
        raise refused_at(_words(error), error.token) from error
    except RecursionError as error:
        raise Refused("This is nested too deeply. Make it simpler.") from error
    for node in template.nodes:
        for part in everything(node):
            for name in getattr(part, "template_scope", list)():
                if name in ROOTS:
                    raise refused_at(f"“{name}” is taken. Give what you assign another name.", name.token)
    return template


def _scannable(source: str) -> None:
    """What the library's scanner could choke on is refused before it is read, in one pass."""
    if len(source) > limits.SOURCE:
        raise Refused(f"This is longer than {limits.SOURCE // 1024} KB. Shorten it.")
    if re.search(rf"\s{{{limits.BLANKS + 1}}}", source):
        raise Refused(f"There are more than {limits.BLANKS} blanks in a row. Remove some.")
    at = 0
    while (at := min((i for i in (source.find("{{", at), source.find("{%", at)) if i >= 0), default=-1)) >= 0:
        closing = "}}" if source.startswith("{{", at) else "%}"
        end = source.find(closing, at + 2)
        if end < 0:
            line, column = position(source, at)
            raise Refused(f"“{source[at : at + 2]}” is never closed: add “{closing}”.", line=line, column=column)
        if end - at > limits.EXPRESSION:
            line, column = position(source, at)
            raise Refused(f"More than {limits.EXPRESSION} characters in one tag. Split it.", line=line, column=column)
        at = end + 2


def _words(error: LiquidError) -> str:
    message = str(error.message or "")
    if isinstance(error.__cause__, RecursionError) or "nesting" in message or "unexpected liquid parsing" in message:
        return "This is nested too deeply. Make it simpler."
    found = re.match(r"unexpected tag '(\w*)'", message)
    if found:
        return f"There is no tag “{found[1]}” here. Known are if, unless, case, for, assign, capture and comment."
    if "end of file" in message or "found eof" in message.lower():
        return f"Something is not closed: {message}."
    return f"This cannot be read: {message}."


__all__ = ["DIALECT", "ROOTS", "parse"]
