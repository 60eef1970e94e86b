"""B4: planning a broadcast to a million profiles, against a bare INSERT … SELECT of as many rows."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from statistics import median
from typing import Any

PAIRS = 3


def run(data: Path, wanted: set[str]) -> list[dict[str, Any]]:
    planned, pairs = plans(1_000_000)
    ratio = median(ours / bare for ours, bare in pairs)
    return [
        {
            "id": "B4",
            "ratio": ratio,
            "goal": 3.0,
            "met": ratio <= 3.0,
            "says": f"{planned:,} profiles planned in {median(o for o, _ in pairs):.1f} s; "
            f"the bare insert took {median(b for _, b in pairs):.1f} s",
        }
    ]


def cost(profiles: int) -> float:
    """Seconds for each profile that is planned, among so many."""
    planned, pairs = plans(profiles)
    return median(ours for ours, _ in pairs) / planned


def plans(profiles: int) -> tuple[int, list[tuple[float, float]]]:
    """Plan for all of them several times: how many messages, and the seconds that we and the bare insert took."""
    import django

    django.setup()
    from django.db import connection

    from campaigns import planner
    from delivery.models import Wave

    now = dt.datetime.now(dt.UTC)
    _people(profiles)
    pairs: list[tuple[float, float]] = []
    for number in range(PAIRS):
        wave = planner.open_wave(_campaign(f"B4 {profiles} {number}", now), now=now)
        assert wave is not None
        began = time.monotonic()
        while planner.plan(wave, now=now):
            pass
        ours = time.monotonic() - began
        wave.refresh_from_db()
        planned = wave.planned_count
        _empty()
        began = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO delivery_message (wave_on, wave_id, profile_id, arm, state, due_at, planned_at, planned_epoch)
                SELECT %s, %s, id, 'told', 'queued', %s, %s, 0 FROM audiences_profile ORDER BY id LIMIT %s
                """,
                [wave.wave_on, wave.pk, now, now, planned],
            )
        bare = time.monotonic() - began
        _empty()
        Wave.objects.filter(pk=wave.pk).delete()
        pairs.append((ours, bare))
    return planned, pairs


def _people(count: int) -> None:
    """So many profiles are there afterwards, with what the segment asks for."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO audiences_profile (external_id, attributes, created_at, last_seen_at)
            SELECT 'p-' || n, jsonb_build_object('first_name', 'Name' || n, 'plan', CASE WHEN n %% 3 = 0 THEN 'a' ELSE 'b' END),
                   now(), now() FROM generate_series((SELECT count(*) FROM audiences_profile) + 1, %s) n
            """,
            [count],
        )
        cursor.execute(
            "INSERT INTO audiences_standing (profile_id) SELECT id FROM audiences_profile p"
            " WHERE NOT EXISTS (SELECT FROM audiences_standing s WHERE s.profile_id = p.id)"
        )
        cursor.execute("VACUUM ANALYZE audiences_profile")
        cursor.execute("VACUUM ANALYZE audiences_standing")


def _campaign(name: str, now: dt.datetime) -> Any:
    """A launched campaign to everyone who has a first name and one of two plans."""
    from audiences.models import Segment, Topic
    from campaigns.models import Campaign, MessageTemplate
    from campaigns.publish import publish

    template = MessageTemplate.objects.create(name=name, title="Hello")
    campaign = Campaign.objects.create(
        name=name,
        template=template,
        version=publish(template, by=None, now=now),
        topic=Topic.objects.create(key=name.lower().replace(" ", "-"), name=name),
        goal_event="x",
        state="scheduled",
        scheduled_at=now,
    )
    rule = {
        "all": [
            {"attribute": "first_name", "op": "exists"},
            {"attribute": "plan", "kind": "string", "op": "in", "value": ["a", "b"]},
        ]
    }
    campaign.included.add(Segment.objects.create(name=name, rule=rule))
    return campaign


def _empty() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE delivery_message")
        cursor.execute("CHECKPOINT")
