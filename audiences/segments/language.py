"""The segment language: JSON in, a checked tree out. docs/segments.md shows every form.

{"all": [rule, …]}  {"any": […]}  {"none": […]}  {"exactly_one": […]}  {"not": rule}  {"everyone": true}
{"attribute": "plan", "kind": "string", "op": "=", "value": "trial"}
{"event": "Order Completed", "count": {"op": ">=", "value": 1}, "window": {"last": "30d"}, "where": [property test, …]}
{"sequence": {"first": {"event": …}, "then": {"event": …}, "within": "2d", "happened": false, "window": {…}}}
{"topic": "offers", "choice": "in" | "out" | "none"}
{"device": [device test, …]}    {"segment": 12}    {"bucket": {"salt": "x", "from": 0, "to": 4999}}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from audiences.segments.conditions import condition
from audiences.segments.refusal import InvalidRule
from audiences.segments.tree import All, AnyOf, ExactlyOne, Node, Not, Nothing

__all__ = ["InvalidRule", "parse"]

DEEPEST = 5
MOST_NODES = 100
GROUPS = {"all": All, "any": AnyOf, "none": Nothing, "exactly_one": ExactlyOne}

Lookup = Callable[[int], Mapping[str, Any]]


def parse(rule: Any, *, lookup: Lookup | None = None) -> Node:
    """The tree of a rule, or InvalidRule, whose `path` leads to what is wrong and whose words say what to change.

    `lookup` gives the rule of another segment by id; without it they are read from the database.
    """
    return _Parser(lookup or _stored).node(rule, path=(), depth=1, inside=())


def _stored(segment_id: int) -> Mapping[str, Any]:
    from audiences.models import Segment

    found = Segment.objects.filter(pk=segment_id).values_list("rule", flat=True).first()
    if found is None:
        raise KeyError(segment_id)
    return dict(found)


class _Parser:
    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self.nodes = 0

    def node(self, rule: Any, *, path: tuple[str | int, ...], depth: int, inside: tuple[int, ...]) -> Node:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise InvalidRule(path, f"This rule has more than {MOST_NODES} conditions. Split it into several segments.")
        if not isinstance(rule, Mapping):
            raise InvalidRule(path, "A condition is missing here.")
        for name, group in GROUPS.items():
            if name in rule:
                return self._group(name, group, rule, path=path, depth=depth, inside=inside)
        if "not" in rule:
            _only(rule, {"not"}, path)
            _shallow(depth, path)
            return Not(self.node(rule["not"], path=(*path, "not"), depth=depth + 1, inside=inside))
        if "segment" in rule:
            return self._segment(rule, path=path, depth=depth, inside=inside)
        return condition(rule, path)

    def _group(self, name: str, group: Any, rule: Mapping[str, Any], *, path: Any, depth: int, inside: Any) -> Node:
        _only(rule, {name}, path)
        _shallow(depth, path)
        children = rule[name]
        if not isinstance(children, list) or not children:
            raise InvalidRule((*path, name), "Add a condition to this group, or remove the group.")
        made: Node = group(
            tuple(
                self.node(child, path=(*path, name, i), depth=depth + 1, inside=inside)
                for i, child in enumerate(children)
            )
        )
        return made

    def _segment(self, rule: Mapping[str, Any], *, path: Any, depth: int, inside: tuple[int, ...]) -> Node:
        _only(rule, {"segment", "member"}, path)
        number, member = rule["segment"], rule.get("member", True)
        if not isinstance(number, int) or isinstance(number, bool) or not isinstance(member, bool):
            raise InvalidRule((*path, "segment"), "Choose a segment.")
        if number in inside:
            raise InvalidRule((*path, "segment"), "These segments refer to each other in a circle.")
        if len(inside) >= DEEPEST:
            raise InvalidRule((*path, "segment"), "Segments refer to each other too deeply.")
        try:
            inner = self.lookup(number)
        except KeyError:
            raise InvalidRule((*path, "segment"), "This segment does not exist any more.") from None
        node = self.node(inner, path=(*path, "segment"), depth=1, inside=(*inside, number))
        return node if member else Not(node)


def _only(rule: Mapping[str, Any], known: set[str], path: tuple[str | int, ...]) -> None:
    for name in rule:
        if name not in known:
            raise InvalidRule((*path, str(name)), f"“{name}” has no meaning here.")


def _shallow(depth: int, path: tuple[str | int, ...]) -> None:
    if depth > DEEPEST:
        raise InvalidRule(path, f"Groups may be nested {DEEPEST} deep at most.")
