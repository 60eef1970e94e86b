"""A rule as a function of one profile's facts: for triggers, for explaining, and to prove the SQL right."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection

from audiences.buckets import bucket
from audiences.models.device import health_of
from audiences.segments import tree
from audiences.segments.comparing import passes
from audiences.segments.conditions import OWN_FIELDS
from audiences.segments.sql import LIVE_DEVICE


@dataclass(frozen=True, slots=True)
class EventFact:
    id: int
    at: dt.datetime
    properties: dict[str, Any]


@dataclass(slots=True)
class ProfileFacts:
    """What is known of one profile. `events` by name, oldest first; `choices` by topic key."""

    id: int
    attributes: dict[str, Any]
    own: dict[str, Any]
    events: dict[str, list[EventFact]] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)
    devices: list[dict[str, Any]] = field(default_factory=list)


def fetch(profile_ids: Sequence[int], node: tree.Node, *, now: dt.datetime) -> dict[int, ProfileFacts]:
    """Facts of these profiles, as far as the rule asks for them. At most four queries, whatever their number.

    Profiles that do not stand alone (erased, merged) are left out.
    """
    found: dict[int, ProfileFacts] = {}
    ids = list(profile_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id, attributes::text, external_id, locale, zone, created_at, last_seen_at FROM audiences_profile p
            WHERE id = ANY(%s) AND erased_at IS NULL AND merged_into_id IS NULL
            """,
            [ids],
        )
        for pk, attributes, *own in cursor.fetchall():
            names = ("$external_id", "$locale", "$zone", "$created_at", "$last_seen_at")
            values = {name: value or None for name, value in zip(names, own, strict=True)}
            found[pk] = ProfileFacts(pk, decoded(attributes), values)
        if names_used := sorted({event.name for event in _events_of(node)}):
            _fetch_events(cursor, found, names_used, now)
        if any(isinstance(one, tree.TopicChoice) for one in leaves(node)):
            cursor.execute(
                """
                SELECT c.profile_id, t.key, c.decision FROM audiences_choice c JOIN audiences_topic t ON t.id = c.topic_id
                WHERE c.profile_id = ANY(%s)
                """,
                [ids],
            )
            for pk, topic, decision in cursor.fetchall():
                if pk in found:
                    found[pk].choices[topic] = decision
        if any(isinstance(one, tree.HasDevice) for one in leaves(node)):
            _fetch_devices(cursor, found, now=now)
    return found


def decoded(text: str) -> dict[str, Any]:
    """JSON with exact numbers, as PostgreSQL compares them."""
    loaded: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return loaded


def _fetch_events(cursor: Any, found: dict[int, ProfileFacts], names: list[str], now: dt.datetime) -> None:
    cursor.execute(
        """
        SELECT profile_id, name, id, occurred_at, properties::text FROM audiences_event
        WHERE profile_id = ANY(%s) AND name = ANY(%s) AND occurred_at <= %s ORDER BY occurred_at, id
        """,
        [list(found), names, now],
    )
    for pk, name, number, at, properties in cursor.fetchall():
        found[pk].events.setdefault(name, []).append(EventFact(number, at, decoded(properties)))


def _fetch_devices(cursor: Any, found: dict[int, ProfileFacts], *, now: dt.datetime) -> None:
    texts = (
        "gateway",
        "platform",
        "browser",
        "os",
        "app_version",
        "locale",
        "zone",
        "app",
        "environment",
        "permission",
    )
    moments = ("last_seen_at", "registered_at", "created_at", "permission_lost_at")
    cursor.execute(
        f"""
        SELECT profile_id, quarantined_at IS NOT NULL, needs_resubscribe_at IS NOT NULL, detached_at IS NULL,
               {LIVE_DEVICE}, {", ".join((*texts, *moments))}
        FROM audiences_device WHERE profile_id = ANY(%s)
        """,
        [list(found)],
    )
    for pk, is_dead, must_resubscribe, is_signed_in, is_live, *values in cursor.fetchall():
        device = dict(zip((*texts, *moments), values, strict=True))
        health = health_of(
            gateway=device["gateway"],
            platform=device["platform"],
            is_dead=is_dead,
            must_resubscribe=must_resubscribe,
            last_seen_at=device["last_seen_at"],
            now=now,
        )
        device |= {"health": str(health), "signed_in": is_signed_in, "live": is_live}
        device["web_push"] = device["gateway"] == "webpush"
        found[pk].devices.append({name: None if value == "" else value for name, value in device.items()})


def leaves(node: tree.Node) -> Iterator[tree.Node]:
    """Every condition of the tree."""
    match node:
        case tree.All(children) | tree.AnyOf(children) | tree.Nothing(children) | tree.ExactlyOne(children):
            for child in children:
                yield from leaves(child)
        case tree.Not(child):
            yield from leaves(child)
        case _:
            yield node


def _events_of(node: tree.Node) -> Iterator[tree.EventFilter]:
    for leaf in leaves(node):
        if isinstance(leaf, tree.EventCount):
            yield leaf.event
        elif isinstance(leaf, tree.Sequence):
            yield leaf.first
            yield leaf.then


def matches(node: tree.Node, facts: ProfileFacts, *, now: dt.datetime) -> bool:
    """Whether the rule holds for this profile at `now`."""
    match node:
        case tree.All(children):
            return all(matches(child, facts, now=now) for child in children)
        case tree.AnyOf(children):
            return any(matches(child, facts, now=now) for child in children)
        case tree.Nothing(children):
            return not any(matches(child, facts, now=now) for child in children)
        case tree.ExactlyOne(children):
            return sum(matches(child, facts, now=now) for child in children) == 1
        case tree.Not(child):
            return not matches(child, facts, now=now)
        case tree.Everyone():
            return True
        case tree.Attribute(path, test):
            value = facts.own[path[0]] if path[0] in OWN_FIELDS else at_path(facts.attributes, path)
            return passes(test, value, now=now)
        case tree.EventCount():
            count = len(counted(node, facts, now=now))
            return (node.least <= count and (node.most is None or count <= node.most)) != node.negated
        case tree.Sequence():
            return deciding(node, facts, now=now) is not None
        case tree.TopicChoice(topic, choice):
            return facts.choices.get(topic, "none") == choice
        case tree.HasDevice(tests):
            return any(all(passes(test, device[name], now=now) for name, test in tests) for device in facts.devices)
        case tree.Bucket(salt, first, last):
            return first <= bucket(salt, facts.id) <= last


def at_path(value: Any, path: tuple[str, ...]) -> Any:
    """The value at a path of keys (or positions of a list), as jsonb's #> finds it; None where there is none."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.lstrip("-").isdigit() and step.isascii():
            place = int(step)
            value = value[place] if -len(value) <= place < len(value) else None
        else:
            return None
    return value


def counted(node: tree.EventCount, facts: ProfileFacts, *, now: dt.datetime) -> list[EventFact]:
    """The events that the condition counts, oldest first."""
    return [one for one in _filtered(node.event, facts, now) if _inside(node.window, one.at, now)]


def _filtered(event: tree.EventFilter, facts: ProfileFacts, now: dt.datetime) -> list[EventFact]:
    return [
        one
        for one in facts.events.get(event.name, [])
        if one.at <= now and all(passes(test, at_path(one.properties, path), now=now) for path, test in event.where)
    ]


def _inside(window: tree.Window, at: dt.datetime, now: dt.datetime) -> bool:
    start, end = window.bounds(now)
    if start is not None and (at <= start if window.last is not None else at < start):
        return False
    return at <= end


def deciding(node: tree.Sequence, facts: ProfileFacts, *, now: dt.datetime) -> EventFact | None:
    """The oldest first event that was (or, its time being over, was not) followed in time; None: no such, no member."""
    thens = _filtered(node.then, facts, now)
    for first in _filtered(node.first, facts, now):
        if not _inside(node.window, first.at, now) or (not node.happened and first.at > now - node.within):
            continue
        found = any(
            then.id != first.id
            and first.at <= then.at <= first.at + node.within
            and (not node.key or _same_key(node.key, first, then))
            for then in thens
        )
        if found == node.happened:
            return first
    return None


def _same_key(key: tuple[str, ...], first: EventFact, then: EventFact) -> bool:
    one, other = at_path(first.properties, key), at_path(then.properties, key)
    # As jsonb compares: true is not 1; a key that is missing on either side agrees with nothing.
    present = _has(first.properties, key) and _has(then.properties, key)
    return present and isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _has(value: Any, path: tuple[str, ...]) -> bool:
    """Whether the path exists, be its value null."""
    parent = at_path(value, path[:-1])
    if isinstance(parent, dict):
        return path[-1] in parent
    return at_path(value, path) is not None
