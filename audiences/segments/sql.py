"""A rule as one set-based statement: who is a member, of everyone that stands alone.

Every sub-condition over events, choices and devices becomes a derived table with one row a profile, joined from the
left: the planner turns it into a hash semi or anti join where it stands alone, and never into a probe a profile.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from audiences.buckets import bucket_sql
from audiences.models.device import STALE_AFTER
from audiences.segments import tree
from audiences.segments.comparing_sql import Sql, column_test, json_test
from audiences.segments.conditions import DEVICE_FIELDS, OWN_FIELDS

ALIVE = "p.erased_at IS NULL AND p.merged_into_id IS NULL"
LIVE_DEVICE = (
    "(permission IN ('granted', 'provisional') AND quarantined_at IS NULL AND detached_at IS NULL"
    " AND needs_resubscribe_at IS NULL)"
)


def members(node: tree.Node, *, now: dt.datetime, only: Sequence[int] | None = None) -> Sql:
    """(sql, parameters) of a SELECT with one column `id`: the profiles for which the rule holds at `now`.

    `only` looks at these profiles alone, and at their events alone: a sample's count costs what the sample costs.
    """
    compiler = _Compiler(now, only)
    condition, params = compiler.node(node)
    joins = "".join(f"\nLEFT JOIN ({table}) {name} ON {name}.profile_id = p.id" for name, table, _ in compiler.joins)
    join_params = [param for _, _, given in compiler.joins for param in given]
    some, some_params = compiler.among("p.id")
    return (
        f"SELECT p.id FROM audiences_profile p{joins}\nWHERE {ALIVE}{some} AND {condition}",
        [*join_params, *some_params, *params],
    )


class _Compiler:
    def __init__(self, now: dt.datetime, only: Sequence[int] | None) -> None:
        self.now = now
        self.only = None if only is None else list(only)
        self.joins: list[tuple[str, str, list[Any]]] = []

    def among(self, column: str) -> Sql:
        return ("", []) if self.only is None else (f" AND {column} = ANY(%s)", [self.only])

    def node(self, node: tree.Node) -> Sql:
        match node:
            case tree.All(children):
                return self._joined(children, " AND ")
            case tree.AnyOf(children):
                return self._joined(children, " OR ")
            case tree.Nothing(children):
                sql, params = self._joined(children, " OR ")
                return f"NOT {sql}", params
            case tree.ExactlyOne(children):
                parts = [self.node(child) for child in children]
                total = " + ".join(f"({sql})::int" for sql, _ in parts)
                return f"({total}) = 1", [param for _, params in parts for param in params]
            case tree.Not(child):
                sql, params = self.node(child)
                return f"NOT ({sql})", params
            case tree.Everyone():
                return "true", []
            case tree.Attribute(path, test):
                return self._attribute(path, test)
            case tree.EventCount():
                return self._count(node)
            case tree.Sequence():
                return self._joined_table(*self._sequence(node))
            case tree.TopicChoice(topic, choice):
                return self._topic(topic, choice)
            case tree.HasDevice(tests):
                return self._joined_table(*self._device(tests))
            case tree.Bucket(salt, first, last):
                return f"{bucket_sql('p.id')} BETWEEN %s AND %s", [salt, first, last]

    def _joined(self, children: tuple[tree.Node, ...], word: str) -> Sql:
        parts = [self.node(child) for child in children]
        return (
            "(" + word.join(f"({sql})" for sql, _ in parts) + ")",
            [param for _, params in parts for param in params],
        )

    def _joined_table(self, table: str, params: list[Any], *, negated: bool = False) -> Sql:
        """A table of the profiles for which something holds → whether this one is in it."""
        name = f"j{len(self.joins)}"
        self.joins.append((name, table, params))
        return f"{name}.profile_id IS {'' if negated else 'NOT '}NULL", []

    def _attribute(self, path: tuple[str, ...], test: tree.Test) -> Sql:
        if path[0] in OWN_FIELDS:
            return column_test(test, f"p.{path[0][1:]}", kind=OWN_FIELDS[path[0]], now=self.now)
        return json_test(test, "(p.attributes #> %s::text[])", [list(path)], now=self.now)

    def _events(self, event: tree.EventFilter, alias: str) -> Sql:
        sql, params = f"{alias}.name = %s", [event.name]
        for path, test in event.where:
            one, given = json_test(test, f"({alias}.properties #> %s::text[])", [list(path)], now=self.now)
            sql += f" AND {one}"
            params += given
        some, given = self.among(f"{alias}.profile_id")
        return sql + some, [*params, *given]

    def _window(self, window: tree.Window, column: str) -> Sql:
        start, end = window.bounds(self.now)
        if start is None:
            return f"{column} <= %s", [end]
        # A dated start belongs to its window; the far end of "the last n days" does not.
        sign = ">" if window.last is not None else ">="
        return f"{column} {sign} %s AND {column} <= %s", [start, end]

    def _count(self, node: tree.EventCount) -> Sql:
        least, most, negated = node.least, node.most, node.negated
        if least == 0:
            # Who has no event at all is in no table: ask for the complement.
            if most is None:
                return ("false" if negated else "true"), []
            least, most, negated = most + 1, None, not negated
            if least <= 0:
                return ("true" if not negated else "false"), []
        where, params = self._events(node.event, "e")
        span, span_params = self._window(node.window, "e.occurred_at")
        table = f"SELECT e.profile_id FROM audiences_event e WHERE {where} AND {span} GROUP BY e.profile_id"
        params = [*params, *span_params]
        if (least, most) != (1, None):
            table += " HAVING count(*) >= %s" if most is None else " HAVING count(*) BETWEEN %s AND %s"
            params += [least] if most is None else [least, most]
        return self._joined_table(table, params, negated=negated)

    def _sequence(self, node: tree.Sequence) -> Sql:
        first, first_params = self._events(node.first, "a")
        span, span_params = self._window(node.window, "a.occurred_at")
        then, then_params = self._events(node.then, "b")
        params = [*first_params, *span_params]
        if not node.happened:
            # Whether it stayed away is only known once the time is over.
            span += " AND a.occurred_at <= %s"
            params.append(self.now - node.within)
        follows = (
            f"SELECT FROM audiences_event b WHERE b.profile_id = a.profile_id AND {then}"
            " AND b.occurred_at >= a.occurred_at AND b.occurred_at <= a.occurred_at + %s AND b.occurred_at <= %s"
            " AND b.id <> a.id"
        )
        params += [*then_params, node.within, self.now]
        if node.window.bounds(self.now)[0] is not None:
            follows += " AND b.occurred_at >= %s"  # lets the planner leave old partitions alone
            params.append(node.window.bounds(self.now)[0])
        if node.key:
            follows += " AND (b.properties #> %s::text[]) = (a.properties #> %s::text[])"
            params += [list(node.key), list(node.key)]
        word = "EXISTS" if node.happened else "NOT EXISTS"
        return (
            f"SELECT a.profile_id FROM audiences_event a WHERE {first} AND {span} AND {word} ({follows})"
            " GROUP BY a.profile_id",
            params,
        )

    def _topic(self, topic: str, choice: str) -> Sql:
        table = (
            "SELECT c.profile_id FROM audiences_choice c JOIN audiences_topic t ON t.id = c.topic_id WHERE t.key = %s"
        )
        some, given = self.among("c.profile_id")
        if choice == "none":
            return self._joined_table(table + some, [topic, *given], negated=True)
        return self._joined_table(f"{table}{some} AND c.decision = %s", [topic, *given, choice])

    def _device(self, tests: tuple[tuple[str, tree.Test], ...]) -> Sql:
        sql, params = "true", []
        for field, test in tests:
            column = _device_column(field, now=self.now)
            one, given = column_test(test, column, kind=DEVICE_FIELDS[field], now=self.now)
            sql += f" AND {one}"
            params += given
        some, given = self.among("profile_id")
        return f"SELECT profile_id FROM audiences_device WHERE {sql}{some} GROUP BY profile_id", [*params, *given]


def _device_column(field: str, *, now: dt.datetime) -> str:
    """What stands for a field of a device, once, without parameters."""
    if field == "live":
        return LIVE_DEVICE
    if field == "web_push":
        return "(gateway = 'webpush')"
    if field == "signed_in":
        return "(detached_at IS NULL)"
    if field == "health":
        # As audiences.models.device.health_of.
        stale = (now - STALE_AFTER).isoformat()
        return (
            "(CASE WHEN quarantined_at IS NOT NULL THEN 'dead' WHEN needs_resubscribe_at IS NOT NULL THEN 'resubscribe'"
            f" WHEN gateway = 'fcm' AND platform <> 'ios' AND last_seen_at < '{stale}'::timestamptz THEN 'stale'"
            " ELSE 'works' END)"
        )
    return field
