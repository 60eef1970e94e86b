"""What a template reads: for previews, for the forecast of missing values, and for what a message reveals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from liquid.builtin.expressions import Path
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.loop import LoopExpression
from liquid.template import BoundTemplate

from campaigns.liquid.environment import parse
from campaigns.liquid.tree import everything, position
from campaigns.liquid.values import path_text


@dataclass(frozen=True, slots=True)
class FieldUse:
    """One place where a template reads something. `path` is ("last", "Product Added", "name"); a segment that is
    itself read from data is None. `text` is the path as written. Lines and columns count from 1."""

    path: tuple[str | int | None, ...]
    text: str
    line: int
    column: int

    @property
    def root(self) -> str:
        return str(self.path[0])


def fields_used(source: str) -> list[FieldUse]:
    """Every value that the template reads from outside, in the order of the text. Raises Refused."""
    template = parse(source)
    own = own_names(template)
    found = []
    for path in paths(template):
        if path.path[0] in own:
            continue
        segments = tuple(one if isinstance(one, (str, int)) else None for one in path.path)
        line, column = position(path.token.source, path.token.start_index)
        found.append(
            FieldUse(
                segments, path_text([str(one) if isinstance(one, Path) else one for one in path.path]), line, column
            )
        )
    return sorted(found, key=lambda use: (use.line, use.column))


def paths(template: BoundTemplate) -> Iterator[Path]:
    """Every path in the template, each once."""
    seen: set[int] = set()
    for node in template.nodes:
        for part in everything(node):
            if isinstance(part, Path) and id(part) not in seen:
                seen.add(id(part))
                yield part


def own_names(template: BoundTemplate) -> set[str]:
    """The names that the template makes itself: assigned, captured, loop variables."""
    names: set[str] = set()
    for node in template.nodes:
        for part in everything(node):
            names |= {str(name) for name in getattr(part, "template_scope", list)()}
            if isinstance(part, LoopExpression):
                names |= {str(part.identifier), "forloop"}
    return names


def is_dynamic(source: str) -> bool:
    """Whether two profiles could get different texts: it reads a value, or writes in the reader's language or zone."""
    template = parse(source)
    return any(
        isinstance(part, Path) or (isinstance(part, Filter) and part.name in ("date", "money", "number"))
        for node in template.nodes
        for part in everything(node)
    )


def last_events(source: str) -> set[str]:
    """The names of the events whose latest properties it reads."""
    return {
        use.path[1]
        for use in fields_used(source)
        if use.root == "last" and len(use.path) > 1 and isinstance(use.path[1], str)
    }


__all__ = ["FieldUse", "fields_used", "is_dynamic", "last_events", "own_names", "paths"]
