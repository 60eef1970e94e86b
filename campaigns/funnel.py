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

PATIENCE_MS = 800
SAMPLE = 3_000
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
    """(stage, profiles) in order; `estimated` where an exact count would have taken too long."""

    stages: tuple[tuple[str, int], ...]
    estimated: bool = False


def funnel(node: tree.Node, *, topic: Topic | None, now: dt.datetime) -> Funnel:
    """Count a rule's members stage by stage, exactly within 0.8 s, else from a sample of profiles."""
    try:
        return Funnel(_stages(_count(sql.members(node, now=now), topic, now=now)))
    except OperationalError:
        return _estimated(node, topic, now=now)


def samples(node: tree.Node, *, now: dt.datetime, most: int = 10) -> list[int]:
    """Some members' ids, wherever they lie; fewer where there are fewer."""
    members, params = sql.members(node, now=now)
    with transaction.atomic(), connection.cursor() as cursor:
        audience.make_room(cursor)
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{PATIENCE_MS * 3}ms"])
        cursor.execute(f"SELECT id FROM ({members}) m LIMIT %s", [*params, most])
        return [row[0] for row in cursor.fetchall()]


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
    counts = _count(sql.members(node, now=now, only=ids), topic, now=now, patience=None)
    factor = total / drawn if drawn else 0
    return Funnel(_stages([round(count * factor) for count in counts]), estimated=True)


def _count(members: Sql, topic: Topic | None, *, now: dt.datetime, patience: int | None = PATIENCE_MS) -> list[int]:
    statement, params = members
    rules = SendingRules.current()
    capped, cap_params = _capped(list(Cap.objects.filter(topic=None, message_class="")), now=now)
    default_on = topic is None or topic.default_on
    held = f"{bucket_sql('m.id')} < %s"
    query = f"""
        WITH m AS MATERIALIZED ({statement}),
        device AS (SELECT profile_id, bool_or({LIVE_DEVICE}) AS live FROM audiences_device GROUP BY profile_id),
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
               count(*) FILTER (WHERE live AND willing AND free AND told)
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
        return list(cursor.fetchone())


def _capped(caps: list[Cap], *, now: dt.datetime) -> Sql:
    """Profiles that have had as many messages as one of the site's caps allows."""
    parts, params = [], []
    for cap in caps:
        since = now - dt.timedelta(hours=cap.hours)
        parts.append(
            "SELECT profile_id FROM delivery_message WHERE intent_at > %s AND wave_on >= %s"
            " AND state IN ('pushing', 'sent', 'unknown') GROUP BY profile_id HAVING count(*) >= %s"
        )
        params += [since, (since - dt.timedelta(days=31)).date(), cap.limit]
    return " UNION ".join(parts) or "SELECT NULL::bigint AS profile_id WHERE false", params
