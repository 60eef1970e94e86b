"""Which attributes and events the data has, and of what kinds: what the console suggests to marketers.

Each process remembers what it has noted today, so that a usual batch writes nothing.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection

from audiences.event_rows import encoded

REMEMBERED = 50_000
MOST_PROPERTIES = 200
MOST_NAMES = 5_000
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")

_remembered: set[tuple[Any, ...]] = set()


def kind_of(value: object) -> str:
    """The JSON kind of a value: string, date, number, bool, list or object."""
    if isinstance(value, str):
        return "date" if _DATE.fullmatch(value) else "string"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "list" if isinstance(value, list) else "object"


def note(
    events: Iterable[tuple[str, Mapping[str, Any] | None]], attributes: Iterable[Mapping[str, Any]], *, now: dt.datetime
) -> None:
    """Note the names in these events' properties and these attributes. Call it after the commit."""
    today = now.toordinal()
    fresh: set[tuple[Any, ...]] = set()
    names: dict[str, dict[str, set[str]]] = {}
    for name, properties in events:
        shape = (today, name, *properties, *map(type, properties.values())) if properties else (today, name)
        if shape not in _remembered and shape not in fresh:
            fresh.add(shape)
            seen = names.setdefault(name, {})
            for key, value in (properties or {}).items():
                if value is not None and len(seen) < MOST_PROPERTIES and len(key) <= 200:
                    seen.setdefault(key, set()).add(kind_of(value))
    kinds: dict[str, dict[str, int]] = {}
    for said in attributes:
        for key, value in said.items():
            if value is None or len(key) > 200:
                continue
            shape = (today, kind_of(value), key, None)
            if shape not in _remembered:
                fresh.add(shape)
                counts = kinds.setdefault(key, {})
                counts[shape[1]] = counts.get(shape[1], 0) + 1
    if names:
        _write_events(names, now=now)
    if kinds:
        _write_attributes(kinds, now=now)
    if fresh:
        if len(_remembered) > REMEMBERED:
            _remembered.clear()
        _remembered.update(fresh)


def forget() -> None:
    """Note everything again."""
    _remembered.clear()


def _write_events(names: dict[str, dict[str, set[str]]], *, now: dt.datetime) -> None:
    said = [(name, _json({key: sorted(kinds) for key, kinds in seen.items()})) for name, seen in sorted(names.items())]
    with connection.cursor() as cursor:
        # A public key can send any name: beyond a few thousand, new ones are stored but no longer suggested.
        cursor.execute(
            """
            INSERT INTO audiences_eventname AS e (name, properties, first_seen_at, last_seen_at)
            SELECT n.name, n.properties, %(now)s, %(now)s
            FROM unnest(%(names)s::text[], %(properties)s::jsonb[]) AS n(name, properties)
            WHERE (SELECT count(*) FROM audiences_eventname) < %(most)s
               OR EXISTS (SELECT FROM audiences_eventname k WHERE k.name = n.name)
            ORDER BY n.name
            ON CONFLICT (name) DO UPDATE SET
                last_seen_at = greatest(e.last_seen_at, excluded.last_seen_at),
                properties = (
                    SELECT coalesce(jsonb_object_agg(key, kinds), '{}') FROM (
                        SELECT key, jsonb_agg(DISTINCT kind ORDER BY kind) AS kinds FROM (
                            SELECT key, jsonb_array_elements(value) AS kind FROM jsonb_each(e.properties)
                            UNION ALL SELECT key, jsonb_array_elements(value) FROM jsonb_each(excluded.properties)
                        ) AS every GROUP BY key LIMIT %(most_properties)s
                    ) AS kept
                )
            """,
            {
                "now": now,
                "names": [name for name, _ in said],
                "properties": [properties for _, properties in said],
                "most": MOST_NAMES,
                "most_properties": MOST_PROPERTIES,
            },
        )


def _write_attributes(kinds: dict[str, dict[str, int]], *, now: dt.datetime) -> None:
    said = sorted(kinds.items())
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO audiences_attributename AS a (name, kinds, last_seen_at)
            SELECT n.name, n.kinds, %(now)s FROM unnest(%(names)s::text[], %(kinds)s::jsonb[]) AS n(name, kinds)
            WHERE (SELECT count(*) FROM audiences_attributename) < %(most)s
               OR EXISTS (SELECT FROM audiences_attributename k WHERE k.name = n.name)
            ORDER BY n.name
            ON CONFLICT (name) DO UPDATE SET
                last_seen_at = greatest(a.last_seen_at, excluded.last_seen_at),
                kinds = a.kinds || (
                    SELECT jsonb_object_agg(key, value::int + coalesce((a.kinds ->> key)::int, 0))
                    FROM jsonb_each(excluded.kinds)
                )
            """,
            {"now": now, "names": [name for name, _ in said], "kinds": [_json(k) for _, k in said], "most": MOST_NAMES},
        )


def _json(data: Any) -> str:
    return encoded(data).decode()
