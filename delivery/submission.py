"""What programs ask us to send: straight into the ledger, where the same gates judge it.

A wave is one day of the send API for one class, topic, template and promise; a send is one occurrence in it, so that
two sends of one day to one profile both go out, and one send pushes a device once even if two profiles become one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction

from audiences import statements
from audiences.partitions import ensure_months
from audiences.statements import joined, plain
from delivery.arms import arm_sql
from delivery.models import MessageClass, SendingRules, Wave
from delivery.payload import new_push_ids

LONGEST = dt.timedelta(days=28)
"""How long a message may wait at most, counted from when it is due."""
OPEN_DAYS = 2
"""A day's waves are closed when so many days have passed: no send of theirs can be under way any more."""


class Stopped(RuntimeError):
    """Someone stopped this day's messages of this kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """One message for a few profiles. `data` is what the content source renders it from, for all of them alike."""

    profile_ids: Sequence[int]
    content_source: str
    content_ref: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    message_class: MessageClass
    topic_id: int | None = None
    due_at: dt.datetime
    expires_at: dt.datetime
    must_arrive: bool = False
    asked_by: str = ""

    @property
    def wave_on(self) -> dt.date:
        return self.due_at.astimezone(dt.UTC).date()

    @property
    def occurrence(self) -> str:
        """Which wave of the send API it belongs to."""
        parts = (
            self.wave_on.isoformat(),
            self.message_class[0],
            self.topic_id or "-",
            self.content_source,
            self.content_ref or "-",
            "must" if self.must_arrive else "-",
        )
        return "/".join(map(str, parts))


@dataclass(frozen=True, slots=True)
class Submitted:
    """What was written: the send, and its messages by profile. Profiles that do not exist have none."""

    public_id: UUID
    wave_on: dt.date
    messages: dict[int, int]


def submit(batch: Sequence[Submission], *, now: dt.datetime) -> list[Submitted]:
    """Write one message a profile into the ledger, due at its time. One result for each of the batch, in order.

    All or nothing, in a handful of statements. Workers find the messages by themselves; a hint after the commit
    wakes them sooner. Raises Stopped.
    """
    for table in ("delivery_message", "delivery_push"):
        ensure_months(table, {one.wave_on for one in batch})
    statements.plan_anew()
    ids = [UUID(one) for one in new_push_ids(len(batch))]
    with transaction.atomic(savepoint=False):
        messages = _write(batch, ids, _waves(batch, now=now), now=now)
    return [
        Submitted(public_id, one.wave_on, messages.get(public_id, {}))
        for one, public_id in zip(batch, ids, strict=True)
    ]


def _waves(batch: Sequence[Submission], *, now: dt.datetime) -> dict[str, int]:
    """The id of each wave by its occurrence. One query on all but the first send of a day and kind."""
    wanted = {one.occurrence: one for one in batch}
    found = _known(wanted)
    if len(found) < len(wanted):
        Wave.objects.bulk_create(
            (_wave(one, now=now) for name, one in wanted.items() if name not in found), ignore_conflicts=True
        )
        found = _known(wanted)
    return found


def _known(occurrences: Mapping[str, Submission]) -> dict[str, int]:
    found = statements.rows(
        "SELECT id, occurrence, state FROM delivery_wave WHERE origin = %s AND occurrence = ANY(%s)",
        [Wave.SEND_API, list(occurrences)],
    )
    known: dict[str, int] = {}
    for pk, name, state in found:
        if state in (Wave.State.STOPPED, Wave.State.FINISHED):
            raise Stopped("Messages of this kind were stopped for that day. Nothing was sent.")
        known[name] = pk
    return known


def _wave(one: Submission, *, now: dt.datetime) -> Wave:
    start = dt.datetime.combine(one.wave_on, dt.time(), dt.UTC)
    return Wave(
        origin=Wave.SEND_API,
        occurrence=one.occurrence,
        wave_on=one.wave_on,
        state=Wave.State.RUNNING,
        message_class=one.message_class,
        topic_id=one.topic_id,
        content_source=one.content_source,
        content_ref=one.content_ref,
        must_arrive=one.must_arrive,
        due_at=start,
        expires_at=start + dt.timedelta(days=1) + LONGEST,
        # Each message has an end of its own: only that makes it late.
        tolerance_minutes=(dt.timedelta(days=1) + LONGEST) // dt.timedelta(minutes=1),
        created_at=now,
    )


_WRITE = """
WITH asked AS (
    SELECT * FROM unnest(%s::uuid[], string_to_array(%s::text, E'\\x1f'), %s::bigint[], %s::date[],
                         %s::bool[], %s::timestamptz[], %s::timestamptz[],
                         string_to_array(%s::text, E'\\x1f'))
        AS a(public_id, asked_by, wave_id, wave_on, is_free, due_at, expires_at, data)
), send AS (
    INSERT INTO delivery_send (public_id, wave_id, asked_by, asked_at)
    SELECT public_id, wave_id, coalesce(asked_by, ''), %s::timestamptz FROM asked RETURNING id, public_id
), message AS (
    INSERT INTO delivery_message (wave_on, wave_id, profile_id, occurrence, arm, state, due_at, expires_at, planned_at,
                                  planned_epoch, data)
    SELECT a.wave_on, a.wave_id, s.profile_id, send.id, CASE WHEN a.is_free THEN 'told' ELSE {arm} END, 'queued',
           a.due_at, a.expires_at, %s::timestamptz, s.epoch, a.data::jsonb
    FROM asked a JOIN send USING (public_id)
         JOIN unnest(%s::uuid[], %s::bigint[]) AS p(public_id, profile_id) USING (public_id)
         JOIN audiences_standing s ON s.profile_id = p.profile_id
    RETURNING occurrence, profile_id, id
)
SELECT send.public_id, m.profile_id, m.id FROM message m JOIN send ON send.id = m.occurrence
"""


def _write(
    batch: Sequence[Submission], ids: Sequence[UUID], waves: Mapping[str, int], *, now: dt.datetime
) -> dict[UUID, dict[int, int]]:
    """The sends, under these public ids, and their messages. Returns message ids by send and profile."""
    free = [one.message_class == MessageClass.TRANSACTIONAL for one in batch]
    arm, params = ("'told'", []) if all(free) else arm_sql("s.profile_id", SendingRules.current())
    pairs = [
        (public_id, profile_id)
        for one, public_id in zip(batch, ids, strict=True)
        for profile_id in dict.fromkeys(one.profile_ids)
    ]
    found: dict[UUID, dict[int, int]] = {}
    for public_id, profile_id, message_id in statements.rows(
        _WRITE.format(arm=arm),
        [
            plain(ids),
            joined([one.asked_by[:120] for one in batch]),
            plain([waves[one.occurrence] for one in batch]),
            plain([one.wave_on for one in batch]),
            plain(free),
            plain([one.due_at for one in batch]),
            plain([one.expires_at for one in batch]),
            joined([msgspec.json.encode(one.data).decode() for one in batch]),
            now,
            *params,
            now,
            plain([public_id for public_id, _ in pairs]),
            plain([profile_id for _, profile_id in pairs]),
        ],
    ):
        found.setdefault(public_id, {})[profile_id] = message_id
    return found


_CLOSE = """
UPDATE delivery_wave w SET planned_at = %s, planned_count = (
    SELECT count(*) FROM delivery_message m WHERE m.wave_id = w.id AND m.wave_on = w.wave_on)
WHERE w.origin = %s AND w.planned_at IS NULL AND w.wave_on <= %s
"""


def close_days(*, now: dt.datetime) -> int:
    """Days of the send API that are over take no more sends, and are finished once their messages are. Returns how
    many waves."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE, [now, Wave.SEND_API, (now - dt.timedelta(days=OPEN_DAYS)).date()])
        return int(cursor.rowcount)
