"""The leaves of a rule: each JSON form → its part of the tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audiences.segments.operators import test
from audiences.segments.reading import LONGEST_NAME, Path, date, duration, known, text, whole
from audiences.segments.refusal import InvalidRule
from audiences.segments.tree import (
    Attribute,
    Bucket,
    EventCount,
    EventFilter,
    Everyone,
    HasDevice,
    Node,
    Sequence,
    TopicChoice,
    Window,
)

OWN_FIELDS = {
    "$external_id": "string",
    "$locale": "string",
    "$zone": "string",
    "$created_at": "date",
    "$last_seen_at": "date",
}
DEVICE_FIELDS = {
    "gateway": "string",
    "platform": "string",
    "browser": "string",
    "os": "string",
    "app_version": "string",
    "locale": "string",
    "zone": "string",
    "app": "string",
    "environment": "string",
    "permission": "string",
    "permission_lost_at": "date",
    "health": "string",
    "signed_in": "bool",
    "web_push": "bool",
    "live": "bool",
    "last_seen_at": "date",
    "registered_at": "date",
    "created_at": "date",
}
COUNTS = ("=", "!=", "<", "<=", ">", ">=", "between")
MOST_WHERE = 10


def condition(rule: Mapping[str, Any], path: Path) -> Node:
    """One condition, by the key that names its subject."""
    for subject, parse in _SUBJECTS.items():
        if subject in rule:
            return parse(rule, path)
    raise InvalidRule(path, "Choose what this condition is about.")


def _everyone(rule: Mapping[str, Any], path: Path) -> Node:
    if rule != {"everyone": True}:
        raise InvalidRule(path, "“Everyone” stands alone.")
    return Everyone()


def _attribute(rule: Mapping[str, Any], path: Path) -> Node:
    known(rule, {"attribute", "kind", "op", "value", "compare", "ignore_case"}, path)
    name = text(rule["attribute"], (*path, "attribute"), "Choose an attribute.")
    if name in OWN_FIELDS:
        return Attribute((name,), test({"kind": OWN_FIELDS[name], **rule, **_own_kind(rule, name)}, path))
    if name.startswith("$"):
        raise InvalidRule((*path, "attribute"), f"There is no attribute {name}.")
    return Attribute(tuple(name.split(".")), test(rule, path))


def _own_kind(rule: Mapping[str, Any], name: str) -> dict[str, str]:
    """A field of ours has one kind, whatever the rule says; “exists” needs none."""
    return {} if rule.get("op") in ("exists", "missing") else {"kind": OWN_FIELDS[name]}


def _event(rule: Mapping[str, Any], path: Path) -> Node:
    known(rule, {"event", "where", "count", "window"}, path)
    said = rule.get("count", {"op": ">=", "value": 1})
    if not isinstance(said, Mapping) or said.get("op") not in COUNTS:
        raise InvalidRule((*path, "count"), "Choose how often: at least, at most, exactly or between.")
    op, value = said["op"], said.get("value")
    least: int
    most: int | None
    if op == "between":
        if not isinstance(value, list) or len(value) != 2:
            raise InvalidRule((*path, "count", "value"), "Give the least and the most.")
        least, last = (whole(one, (*path, "count", "value")) for one in value)
        most = last
        if least > last:
            raise InvalidRule((*path, "count", "value"), "The first number must not be larger than the second.")
    else:
        number = whole(value, (*path, "count", "value"))
        least, most = _range(op, number)
    if least == 0 and "window" not in rule:
        raise InvalidRule((*path, "window"), "Say in which time: counting zero times needs one, or “ever”.")
    window = window_of(rule.get("window", {"ever": True}), (*path, "window"))
    return EventCount(event_filter(rule, path), window, least, most, negated=op == "!=")


def _range(op: str, number: int) -> tuple[int, int | None]:
    ranges: dict[str, tuple[int, int | None]] = {
        "=": (number, number),
        "!=": (number, number),
        ">=": (number, None),
        ">": (number + 1, None),
        "<=": (0, number),
        "<": (0, number - 1),
    }
    return ranges[op]


def event_filter(rule: Any, path: Path) -> EventFilter:
    if not isinstance(rule, Mapping):
        raise InvalidRule(path, "Choose an event.")
    name = text(rule.get("event"), (*path, "event"), "Choose an event.")
    where = rule.get("where", [])
    if not isinstance(where, list) or len(where) > MOST_WHERE:
        raise InvalidRule((*path, "where"), f"Up to {MOST_WHERE} conditions on properties.")
    tests = []
    for i, one in enumerate(where):
        place = (*path, "where", i)
        if not isinstance(one, Mapping):
            raise InvalidRule(place, "Choose a property.")
        known(one, {"property", "kind", "op", "value", "compare", "ignore_case"}, place)
        prop = text(one.get("property"), (*place, "property"), "Choose a property.")
        tests.append((tuple(prop.split(".")), test(one, place)))
    return EventFilter(name, tuple(tests))


def _sequence(rule: Mapping[str, Any], path: Path) -> Node:
    known(rule, {"sequence"}, path)
    said, path = rule["sequence"], (*path, "sequence")
    if not isinstance(said, Mapping):
        raise InvalidRule(path, "Choose two events.")
    known(said, {"first", "then", "within", "happened", "window", "key"}, path)
    happened = said.get("happened", True)
    if not isinstance(happened, bool):
        raise InvalidRule((*path, "happened"), "Choose whether the second event followed or not.")
    key = said.get("key", "")
    if not isinstance(key, str) or len(key) > LONGEST_NAME:
        raise InvalidRule((*path, "key"), "Name a property that both events carry.")
    return Sequence(
        first=event_filter(said.get("first"), (*path, "first")),
        then=event_filter(said.get("then"), (*path, "then")),
        within=duration(said.get("within"), (*path, "within")),
        happened=happened,
        window=window_of(said.get("window", {"ever": True}), (*path, "window")),
        key=tuple(key.split(".")) if key else (),
    )


def _topic(rule: Mapping[str, Any], path: Path) -> Node:
    known(rule, {"topic", "choice"}, path)
    if rule.get("choice") not in ("in", "out", "none"):
        raise InvalidRule((*path, "choice"), "Choose: opted in, opted out, or no choice made.")
    return TopicChoice(text(rule["topic"], (*path, "topic"), "Choose a topic."), rule["choice"])


def _device(rule: Mapping[str, Any], path: Path) -> Node:
    known(rule, {"device"}, path)
    tests = rule["device"]
    if not isinstance(tests, list) or len(tests) > MOST_WHERE:
        raise InvalidRule((*path, "device"), f"Up to {MOST_WHERE} conditions on a device.")
    parsed = []
    for i, one in enumerate(tests):
        place = (*path, "device", i)
        if not isinstance(one, Mapping) or one.get("field") not in DEVICE_FIELDS:
            raise InvalidRule((*place, "field"), f"Choose one of: {', '.join(DEVICE_FIELDS)}.")
        known(one, {"field", "kind", "op", "value", "compare", "ignore_case"}, place)
        parsed.append((one["field"], test({**one, "kind": DEVICE_FIELDS[one["field"]]}, place)))
    return HasDevice(tuple(parsed))


def _bucket(rule: Mapping[str, Any], path: Path) -> Node:
    known(rule, {"bucket"}, path)
    said = rule["bucket"]
    if not isinstance(said, Mapping):
        raise InvalidRule((*path, "bucket"), "Give a salt, the first and the last bucket.")
    known(said, {"salt", "from", "to"}, (*path, "bucket"))
    first, last = (whole(said.get(name), (*path, "bucket", name)) for name in ("from", "to"))
    if not 0 <= first <= last <= 9999:
        raise InvalidRule((*path, "bucket"), "Buckets run from 0 to 9999, the first before the last.")
    return Bucket(text(said.get("salt"), (*path, "bucket", "salt"), "Give a salt."), first, last)


def window_of(said: Any, path: Path) -> Window:
    """{"last": "30d"}, {"between": [a, b]}, {"after": a}, {"before": b} or {"ever": true}."""
    if not isinstance(said, Mapping) or len(said) != 1:
        raise InvalidRule(path, "Choose in which time.")
    ((name, value),) = said.items()
    if name == "last":
        return Window(last=duration(value, (*path, "last")))
    if name == "ever" and value is True:
        return Window()
    if name == "between" and isinstance(value, list) and len(value) == 2:
        start, end = (date(one, (*path, "between")) for one in value)
        if start > end:
            raise InvalidRule((*path, "between"), "The first day must not be after the second.")
        return Window(start=start, end=end)
    if name == "after":
        return Window(start=date(value, (*path, "after")))
    if name == "before":
        return Window(end=date(value, (*path, "before")))
    raise InvalidRule(path, "Choose in which time.")


_SUBJECTS = {
    "everyone": _everyone,
    "attribute": _attribute,
    "event": _event,
    "sequence": _sequence,
    "topic": _topic,
    "device": _device,
    "bucket": _bucket,
}
