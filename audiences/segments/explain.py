"""Why one profile is, or is not, a member: each condition with a tick or a cross and the value that was found."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audiences.segments import facts, tree
from audiences.segments.conditions import OWN_FIELDS
from audiences.segments.facts import ProfileFacts
from audiences.segments.language import GROUPS, parse


@dataclass(frozen=True, slots=True)
class Explained:
    """One node of the rule: whether it holds, what was found, and its parts. `rule` is the node's own JSON."""

    rule: Mapping[str, Any]
    holds: bool
    found: str = ""
    children: list[Explained] = field(default_factory=list)


def explain(rule: Mapping[str, Any], profile_id: int, *, now: dt.datetime) -> Explained | None:
    """The whole rule for one profile, or None where it does not stand alone. At most four queries."""
    node = parse(rule)
    found = facts.fetch([profile_id], node, now=now).get(profile_id)
    return _node(rule, found, now) if found else None


def _node(rule: Mapping[str, Any], found: ProfileFacts, now: dt.datetime) -> Explained:
    holds = facts.matches(parse(rule), found, now=now)
    for name in GROUPS:
        if name in rule:
            return Explained(rule, holds, children=[_node(child, found, now) for child in rule[name]])
    if "not" in rule:
        return Explained(rule, holds, children=[_node(rule["not"], found, now)])
    return Explained(rule, holds, found=_value(parse(rule), found, now))


def _value(node: tree.Node, found: ProfileFacts, now: dt.datetime) -> str:
    match node:
        case tree.Attribute(path, _):
            value = found.own[path[0]] if path[0] in OWN_FIELDS else facts.at_path(found.attributes, path)
            return "nothing" if value is None else str(value)
        case tree.EventCount():
            events = facts.counted(node, found, now=now)
            return _times(len(events)) + (f", last {_moment(events[-1].at)}" if events else "")
        case tree.Sequence():
            if first := facts.deciding(node, found, now=now):
                then = f"{'then' if node.happened else 'and no'} {node.then.name} in time"
                return f"{node.first.name} on {_moment(first.at)}, {then}"
            counts = [(event.name, len(found.events.get(event.name, []))) for event in (node.first, node.then)]
            return ", ".join(f"{name} {_times(n)}" for name, n in counts)
        case tree.TopicChoice(topic, _):
            return {"in": "opted in", "out": "opted out"}.get(found.choices.get(topic, ""), "no choice")
        case tree.HasDevice():
            live = sum(bool(device["live"]) for device in found.devices)
            devices = "1 device" if len(found.devices) == 1 else f"{len(found.devices)} devices"
            return f"{devices}, {live} can be pushed to"
    return ""


def _times(n: int) -> str:
    return {0: "never", 1: "once"}.get(n, f"{n} times")


def _moment(at: dt.datetime) -> str:
    return f"{at:%d %b %Y %H:%M} UTC"
