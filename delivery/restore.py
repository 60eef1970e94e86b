"""Bringing back devices that a gateway wrongly called dead, and with them the messages that were lost by it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from audiences import feedback
from audiences.models.device import FORGOTTEN, RETIRED
from delivery import tally
from delivery.addresses import UnsafeAddress, origin_of
from delivery.models import Credential
from delivery.routes import Routes

SLICE = 1_000
KIND = ("gateway", "sender_key", "app", "environment", "base", "quarantine_reason")

# What the origin is taken from: an address of an app is a token, and has none.
_BASE = "CASE gateway WHEN 'webpush' THEN coalesce(substring(address from '^[a-z]+://[^/]+'), '') ELSE '' END"
_DEAD = f"""
    quarantined_at >= %s AND NOT (address LIKE '{FORGOTTEN}%%') AND NOT (address LIKE '{RETIRED}%%')
"""


@dataclass(frozen=True, slots=True)
class SetAside:
    """Devices of one kind that were set aside since some moment, the first of them at `since`."""

    kind: tuple[str, ...]
    count: int
    since: dt.datetime
    credential_id: int | None
    origin: str

    @property
    def reason(self) -> str:
        return self.kind[-1]


@dataclass(frozen=True, slots=True)
class Restored:
    devices: int = 0
    messages: int = 0


def set_aside(
    *, since: dt.datetime, reason: str = "", credential: Credential | None = None, origin: str = ""
) -> list[SetAside]:
    """What was set aside since then and can be brought back, by kind. Two queries."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT gateway, sender_key, app, environment, {_BASE} AS base, quarantine_reason, count(*),
                   min(quarantined_at)
            FROM audiences_device WHERE {_DEAD} GROUP BY 1, 2, 3, 4, 5, 6
            """,
            [since],
        )
        rows = cursor.fetchall()
    routes = Routes.current()
    found = [SetAside(tuple(row[:6]), row[6], row[7], routes.choose(*row[:4]), _origin(row[4])) for row in rows]
    return [
        one
        for one in found
        if (not reason or one.reason == reason)
        and (credential is None or one.credential_id == credential.pk)
        and (not origin or one.origin in ("", origin))
    ]


def restore(kinds: Sequence[SetAside], *, since: dt.datetime, now: dt.datetime) -> Restored:
    """Push to these devices again, and let the messages go out that were dropped for them, where their wave still
    waits or runs. In slices, each in a transaction of its own: a second call goes on where the first one ended."""
    total = Restored()
    for kind in kinds:
        for ids in _slices(kind, since=since):
            with transaction.atomic():
                back = feedback.restore(ids)
                messages = _queue_again(back, now=now)
            total = Restored(total.devices + len(back), total.messages + messages)
    return total


def _slices(kind: SetAside, *, since: dt.datetime) -> Iterator[list[int]]:
    conditions = " AND ".join(f"{_BASE if name == 'base' else name} = %s" for name in KIND)
    after = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id FROM audiences_device WHERE {_DEAD} AND {conditions} AND id > %s ORDER BY id LIMIT %s",
                [since, *kind.kind, after, SLICE],
            )
            ids = [row[0] for row in cursor.fetchall()]
        if not ids:
            return
        yield ids
        after = ids[-1]


def _queue_again(device_ids: Sequence[int], *, now: dt.datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH push AS (
                UPDATE delivery_push p SET state = 'retry', reason = '', due_at = %(now)s, finished_at = NULL
                FROM delivery_wave w, delivery_message m, delivery_push o
                WHERE o.id = p.id AND o.wave_on = p.wave_on AND w.state IN ('running', 'paused') AND w.expires_at > %(now)s
                  AND p.wave_id = w.id AND p.wave_on = w.wave_on AND p.state = 'dropped' AND p.device_id = ANY(%(ids)s)
                  AND m.id = p.message_id AND m.wave_on = p.wave_on AND m.state = 'dropped'
                RETURNING p.wave_id, p.message_id, p.wave_on, p.credential_id, o.state, o.reason, o.status,
                          m.reason AS of_message
            ), message AS (
                SELECT DISTINCT wave_id, message_id, wave_on, 'dropped' AS state, of_message AS reason FROM push
            ), queued AS (
                UPDATE delivery_message m SET state = 'queued', reason = '', due_at = %(now)s, finished_at = NULL
                FROM message o WHERE m.id = o.message_id AND m.wave_on = o.wave_on
                RETURNING m.id
            ), pushes AS ({tally.pushes_of("push", sign="-")}),
            messages AS ({tally.messages_of("message", sign="-")})
            SELECT count(*) FROM queued
            """,
            {"ids": list(device_ids), "now": now},
        )
        return int(cursor.fetchone()[0])


def _origin(base: str) -> str:
    try:
        return origin_of(f"{base}/") if base else ""
    except UnsafeAddress:
        return base
