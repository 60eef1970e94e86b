"""B9 live: one poll of the page of a campaign that goes out to a million, against the same of one to a thousand."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from statistics import median
from typing import Any

FEW, MANY, TIMES = 1_000, 1_000_000, 15
MOST_TIMES = 3.0
ENDS = (
    ("message", "sent", ""),
    ("message", "queued", "quiet_hours"),
    ("message", "queued", "throttled_by_us"),
    ("message", "suppressed", "no_device"),
    ("push", "sent", ""),
    ("push", "dropped", "gone"),
)


def run(data: Path, wanted: set[str]) -> list[dict[str, Any]]:
    import django

    django.setup()
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    from delivery import tally
    from tests import make

    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
    client = Client()
    client.force_login(User.objects.create_superuser("olive"))
    credential = make.credential()
    few, many = (going_out(count, credential.pk) for count in (FEW, MANY))
    tally.fold()

    def poll(campaign: int) -> float:
        began = time.perf_counter()
        answer = client.get(f"/console/campaigns/{campaign}/progress/")
        if answer.status_code != 200:
            raise RuntimeError(f"{answer.status_code}: {answer.content[:200]!r}")
        return time.perf_counter() - began

    poll(few), poll(many)
    pairs = [(poll(few), poll(many)) for _ in range(TIMES)]
    ratio = median(large / small for small, large in pairs)
    small, large = (median(pair[n] for pair in pairs) for n in (0, 1))
    return [
        {
            "id": "B9-live",
            "ratio": ratio,
            "goal": MOST_TIMES,
            "met": ratio <= MOST_TIMES,
            "says": f"one poll of a running campaign's page: {large * 1000:.0f} ms at {MANY:,} messages, "
            f"{small * 1000:.0f} at {FEW:,}",
        }
    ]


def going_out(count: int, credential: int) -> int:
    """The id of a campaign of which half is sent, and whose sums lie as workers and the clock leave them: a row for
    each micro-batch of the last seconds, fewer for what is older."""
    from django.db import connection

    from audiences.partitions import ensure_months
    from tests import make

    now = dt.datetime.now(dt.UTC)
    ensure_months("delivery_message", {now.date()})
    campaign = make.campaign(name=f"To {count}", state="running", scheduled_at=now, launched_at=now)
    wave = make.wave(
        origin=campaign.origin,
        wave_on=now.date(),
        due_at=now,
        created_at=now,
        planned_count=count,
        planned_at=now,
        running_at=now - dt.timedelta(minutes=3),
        expires_at=now + dt.timedelta(days=1),
    )
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO delivery_message (wave_on, wave_id, profile_id, occurrence, arm, due_at, planned_at,
                                          planned_epoch, fence, state, reason)
            SELECT %s, %s, n, 0, 'told', %s + n * interval '10 ms', %s, 0, 0,
                   CASE WHEN n %% 2 = 0 THEN 'sent' ELSE 'queued' END,
                   CASE WHEN n %% 2 = 0 THEN '' WHEN n %% 4 = 1 THEN 'quiet_hours' ELSE 'throttled_by_us' END
            FROM generate_series(1, %s) n
            """,
            [wave.wave_on, wave.pk, now + dt.timedelta(hours=1), now, count],
        )
        for kind, state, reason in ENDS:
            cursor.execute(
                """
                INSERT INTO delivery_tally (wave_id, at, kind, credential_id, state, reason, status, n)
                SELECT %s, now() - g * interval '20 ms', %s, %s, %s, %s, '', 64 FROM generate_series(1, 3500) g
                """,
                [wave.pk, kind, credential if kind == "push" else None, state, reason],
            )
        cursor.execute("ANALYZE delivery_message; ANALYZE delivery_tally")
    return int(campaign.pk)
