"""What happened since we last looked, as batches for each endpoint. At no cost where there is no endpoint.

Nothing is missed: rows carry the moment at which their transaction, or a statement of it, began, and only what is older
than every transaction still open is read. Nothing is told twice: how far each source was read is written together with
the batches.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction

from console.models import WebhookCursor, WebhookDelivery, WebhookEndpoint
from console.webhooks.sources import SOURCES, Event, Source
from delivery.payload import new_push_ids

LOCK = 7_400_001
MOST_ROWS = 5_000
MOST_EVENTS = 250
"""Events in one batch: about 90 KB."""

# Every row before this moment is visible, or never will be: a transaction still open began after it. One second is for
# transactions so young that the statistics do not show them yet. What has read for a minute and written nothing only
# reads (a report, a backup).
_HORIZON = """
SELECT least(clock_timestamp() - interval '1 second', min(xact_start)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
  AND (backend_xid IS NOT NULL OR xact_start > clock_timestamp() - interval '1 minute')
"""


def anyone_listens() -> bool:
    """Whether there is an endpoint to tell. One query."""
    return WebhookEndpoint.objects.filter(disabled_at=None).exists()


def gather(*, now: dt.datetime, most: int = MOST_ROWS) -> int:
    """Read what is new and write batches. Returns how many rows were read; fewer than `most` of every source: all.

    One caller at a time, the others do nothing. Two statements a source.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        endpoints = list(WebhookEndpoint.objects.filter(disabled_at=None)) if cursor.fetchone()[0] else []
        wanted = {kind for endpoint in endpoints for kind in endpoint.kinds}
        sources = [source for source in SOURCES if source.kinds & wanted]
        if not sources:
            return 0
        cursor.execute(_HORIZON)
        until = cursor.fetchone()[0]
        since = min(endpoint.since for endpoint in endpoints)
        cursors = WebhookCursor.objects.in_bulk([source.name for source in sources])
        rows = 0
        events: list[Event] = []
        for source in sources:
            place = cursors.get(source.name) or WebhookCursor(source=source.name, at=since)
            if place.at < since:
                place.at, place.row = since, 0
            found = _read(source, place, until, most)
            events += [event for row in found if (event := source.read(row)) and event.kind in wanted]
            rows += len(found)
            # Rows of the moment `until` itself may still be on their way.
            place.at, place.row = found[-1][:2] if len(found) == most else max((until, 0), (place.at, place.row))
            place.save()
        events.sort(key=lambda event: event.recorded_at)
        WebhookDelivery.objects.bulk_create(
            (delivery for endpoint in endpoints for delivery in batches(endpoint, events, now=now)), batch_size=100
        )
    return rows


def _read(source: Source, place: WebhookCursor, until: dt.datetime, most: int) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(source.statement, {"after_at": place.at, "after_row": place.row, "until": until, "most": most})
        return cursor.fetchall()


def batches(endpoint: WebhookEndpoint, events: Iterable[Event], *, now: dt.datetime) -> list[WebhookDelivery]:
    """What this endpoint wants of these events, in rows not yet written, due now."""
    mine = [event for event in events if event.kind in endpoint.kinds and event.recorded_at > endpoint.since]
    return [
        delivery(endpoint, mine[start : start + MOST_EVENTS], now=now) for start in range(0, len(mine), MOST_EVENTS)
    ]


def delivery(endpoint: WebhookEndpoint, events: Sequence[Event], *, now: dt.datetime) -> WebhookDelivery:
    """One batch, not yet written."""
    return WebhookDelivery(
        id=UUID(next(new_push_ids(1))),
        endpoint=endpoint,
        events=msgspec.json.encode([event.shown() for event in events]).decode(),
        count=len(events),
        kinds=sorted({event.kind for event in events}),
        created_at=now,
        due_at=now,
    )
