"""How many of a segment a message would reach now: matched → device → permission → topic choice → caps → holdout."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass

from django.db import OperationalError, connection, transaction

from audiences.buckets import bucket_sql
from audiences.models import Topic
from audiences.segments import audience, sql, tree
from audiences.segments.comparing_sql import Sql
from audiences.segments.sql import LIVE_DEVICE
from delivery.models import Cap, SendingRules

PATIENCE_MS = 250
SAMPLE = 2_000
EXAMPLES = 10
STAGES = (
    "matched",
    "has a device",
    "may be pushed to",
    "has not opted out",
    "is under the caps now",
    "is not held out",
)


@dataclass(frozen=True, slots=True)
class Funnel:
    """(stage, profiles) in order; `estimated` where an exact count would have taken too long. `examples` are the ids of
    up to ten of those matched."""

    stages: tuple[tuple[str, int], ...]
    estimated: bool = False
    examples: tuple[int, ...] = ()


def funnel(node: tree.Node, *, topic: Topic | None, now: dt.datetime) -> Funnel:
    """Count a rule's members stage by stage, exactly within a quarter of a second, else from a sample of profiles."""
    try:
        counts, examples = _count(sql.members(node, now=now), topic, now=now)
        return Funnel(_stages(counts), examples=examples)
    except OperationalError:
        return _estimated(node, topic, now=now)


def _some(node: tree.Node, *, now: dt.datetime) -> tuple[int, ...]:
    """Some members' ids, wherever they lie; none where they are too rare to be found in time."""
    members, params = sql.members(node, now=now)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{PATIENCE_MS}ms"])
            cursor.execute(f"SELECT id FROM ({members}) m LIMIT %s", [*params, EXAMPLES])
            return tuple(row[0] for row in cursor.fetchall())
    except OperationalError:
        return ()


def _stages(counts: list[int]) -> tuple[tuple[str, int], ...]:
    return tuple(zip(STAGES, counts, strict=True))


def _estimated(node: tree.Node, topic: Topic | None, *, now: dt.datetime) -> Funnel:
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(id) FROM audiences_profile")
        last = cursor.fetchone()[0] or 0
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE relname = 'audiences_profile'")
        total = max(cursor.fetchone()[0], 0)
    ids = random.sample(range(1, last + 1), min(SAMPLE, last))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audiences_profile WHERE id = ANY(%s)", [ids])
        drawn = cursor.fetchone()[0]
    counts, examples = _count(sql.members(node, now=now, only=ids), topic, now=now, patience=None)
    factor = total / drawn if drawn else 0
    stages = _stages([round(count * factor) for count in counts])
    return Funnel(stages, estimated=True, examples=examples or _some(node, now=now))


def _count(
    members: Sql, topic: Topic | None, *, now: dt.datetime, patience: int | None = PATIENCE_MS
) -> tuple[list[int], tuple[int, ...]]:
    """The stages' counts and some of the members. Devices and messages are looked at for the members alone."""
    statement, params = members
    rules = SendingRules.current()
    capped, cap_params = _capped(list(Cap.objects.filter(topic=None, message_class="")), now=now)
    default_on = topic is None or topic.default_on
    held = f"{bucket_sql('m.id')} < %s"
    query = f"""
        WITH m AS MATERIALIZED ({statement}),
        device AS (SELECT profile_id, bool_or({LIVE_DEVICE}) AS live FROM audiences_device
                   WHERE profile_id IN (SELECT id FROM m) GROUP BY profile_id),
        capped AS ({capped}),
        judged AS (
            SELECT d.profile_id IS NOT NULL AS has, coalesce(d.live, false) AS live,
                   coalesce(everything.decision, 'in') <> 'out'
                   AND coalesce(one.decision, %s) <> 'out' AS willing,
                   c.profile_id IS NULL AS free, NOT {held} AS told
            FROM m LEFT JOIN device d ON d.profile_id = m.id
                 LEFT JOIN audiences_choice everything ON everything.profile_id = m.id AND everything.topic_id IS NULL
                 LEFT JOIN audiences_choice one ON one.profile_id = m.id AND one.topic_id = %s
                 LEFT JOIN capped c ON c.profile_id = m.id
        )
        SELECT count(*), count(*) FILTER (WHERE has), count(*) FILTER (WHERE live),
               count(*) FILTER (WHERE live AND willing), count(*) FILTER (WHERE live AND willing AND free),
               count(*) FILTER (WHERE live AND willing AND free AND told),
               (SELECT array_agg(id) FROM (SELECT id FROM m LIMIT {EXAMPLES}) e)
        FROM judged
    """
    share = int(rules.global_holdout_percent * 100)
    with transaction.atomic(), connection.cursor() as cursor:
        audience.make_room(cursor)
        if patience is not None:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{patience}ms"])
        cursor.execute(
            query,
            [
                *params,
                *cap_params,
                "in" if default_on else "out",
                rules.global_holdout_salt,
                share,
                topic.pk if topic else None,
            ],
        )
        *counts, examples = cursor.fetchone()
        return counts, tuple(examples or ())


def _capped(caps: list[Cap], *, now: dt.datetime) -> Sql:
    """Profiles that have had as many messages as one of the site's caps allows."""
    parts, params = [], []
    for cap in caps:
        since = now - dt.timedelta(hours=cap.hours)
        parts.append(
            "SELECT profile_id FROM delivery_message WHERE intent_at > %s AND wave_on >= %s"
            " AND state IN ('pushing', 'sent', 'unknown') AND profile_id IN (SELECT id FROM m) GROUP BY profile_id HAVING count(*) >= %s"
        )
        params += [since, (since - dt.timedelta(days=31)).date(), cap.limit]
    return " UNION ".join(parts) or "SELECT NULL::bigint AS profile_id WHERE false", params
