"""What waits for a push service that is left alone: which devices are pushed to now, and when the others are looked at.

A message that waits for a hold is put away until the hold is gone: nobody claims and judges it again meanwhile, so that
what cannot go out takes no time from what can. The clock wakes it; should nobody wake it, it wakes by itself.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping

import msgspec
from django.db import connection
from django.db.models import Q

from delivery import holds
from delivery.gates.facts import DeviceFacts, EarlierPush, Facts
from delivery.gates.verdict import Effect, Verdict
from delivery.holds import Place
from delivery.models import Arm, Hold
from delivery.models.credential import BROKEN
from delivery.parcel import Wait
from delivery.sender import Sender

ONLY = "only_credential"
"""In a message's data: the id of the one credential that it is sent with, for a test of that."""
AWAY = dt.timedelta(hours=1)
AWAY_SPREAD = 1800.0  # seconds
SLICE = 20_000
TRIES = 4


class Devices(msgspec.Struct):
    """`chosen`: to push to now; `waits`: until when others are left out. Where none is chosen but may be later, `no`
    says what it waits for, `held_by` for which hold, `due_at` when it is looked at if nobody wakes it before."""

    chosen: list[DeviceFacts] = []
    waits: Wait | None = None
    no: Verdict | None = None
    held_by: int | None = None
    due_at: dt.datetime | None = None


def choose(facts: Facts, *, held: Mapping[Place, Hold], sender: Sender, now: dt.datetime) -> Devices:
    """Every live device that this message was not pushed to, whose retry is due and whose push service is free.

    Of a broken push service's devices one is chosen each 30 s, over all workers. Who can be told on one device does not
    wait for another whose push service is held until someone resumes it.
    """
    found = Devices()
    waits: list[Wait] = []
    waiting: list[tuple[Place, Hold]] = []
    only = facts.data.get(ONLY) if isinstance(facts.data, dict) else None
    for device in facts.devices:
        if only and device.credential_id != only:
            continue
        earlier = facts.earlier.get(device.id)
        if device.why_not_live or _is_settled(earlier, facts):
            continue
        if earlier and earlier.due_at and earlier.due_at > now:
            waits.append((earlier.due_at, "retrying"))
            continue
        stands = _held(device, held, sender)
        if stands is None or (facts.arm == Arm.TOLD and _tries(*stands, earlier, sender=sender, now=now)):
            found.chosen.append(device)
        else:
            waiting.append(stands)
    if found.chosen:
        waits += [(hold.until, hold.reason) for _, hold in waiting if hold.until]
        found.waits = min(waits, default=None)
    elif waits:
        frees_at, reason = min(waits)
        found.no = Verdict.no("running", reason, effect=Effect.DEFER, frees_at=frees_at)
    elif waiting:
        place, hold = waiting[0]
        found.no = Verdict.no("running", hold.reason, effect=Effect.DEFER, frees_at=hold.until, origin=place[1])
        found.held_by = hold.pk
        found.due_at = min(now + AWAY + dt.timedelta(seconds=random.uniform(0, AWAY_SPREAD)), facts.expires_at)
    return found


def _is_settled(earlier: EarlierPush | None, facts: Facts) -> bool:
    return earlier is not None and (earlier.state != "retry" or earlier.message_id != facts.message_id)


def _held(device: DeviceFacts, held: Mapping[Place, Hold], sender: Sender) -> tuple[Place, Hold] | None:
    if not held:
        return None
    assert device.credential_id is not None
    place = (device.credential_id, holds.EVERYWHERE)
    if place not in held:
        place = (device.credential_id, sender.gateway(device.credential_id).origin(device.address))
    return (place, held[place]) if place in held else None


def _tries(place: Place, hold: Hold, earlier: EarlierPush | None, *, sender: Sender, now: dt.datetime) -> bool:
    if not holds.may_try(hold, is_fresh=not earlier or earlier.attempt == 0, now=now):
        return False
    sender.watch.tries(place)
    return True


def wake(*, now: dt.datetime) -> int:
    """Make due what waited for a hold that is gone, at most 20,000 messages, and a few of what waits for a broken
    push service that may be tried. Called each second by the clock. Returns how many were woken."""
    Hold.objects.filter(~Q(reason=BROKEN), until__lte=now).delete()
    waiting = _waited_for()
    if not waiting:
        return 0
    held = {hold.pk: hold for hold in holds.in_force(now=now).values()}
    gone = [pk for pk in waiting if pk not in held]
    woken = _wake(gone, SLICE) if gone else 0
    for pk in waiting:
        hold = held.get(pk)
        if hold and hold.reason == BROKEN and hold.until and hold.until <= now:
            woken += _wake([pk], TRIES)
    return woken


def _waited_for() -> list[int]:
    """The ids of the holds that anything waits for: one step along the index for each."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE found(id) AS (
                SELECT min(held_by) FROM delivery_message WHERE state = 'queued' AND held_by IS NOT NULL
                UNION ALL
                SELECT (SELECT min(held_by) FROM delivery_message WHERE state = 'queued' AND held_by > found.id)
                FROM found WHERE found.id IS NOT NULL
            )
            SELECT id FROM found WHERE id IS NOT NULL
            """
        )
        return [row[0] for row in cursor.fetchall()]


def _wake(hold_ids: list[int], most: int) -> int:
    # Of a few, those that have had no attempt yet come first.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH few AS (
                SELECT id, wave_on, intent_at FROM delivery_message WHERE state = 'queued' AND held_by = ANY(%(ids)s)
                LIMIT greatest(%(most)s, 1000)
            ), woken AS (
                SELECT m.id, m.wave_on FROM delivery_message m
                JOIN (SELECT * FROM few ORDER BY intent_at NULLS FIRST LIMIT %(most)s) s USING (id, wave_on)
                WHERE m.state = 'queued' AND m.held_by = ANY(%(ids)s) FOR UPDATE OF m SKIP LOCKED
            )
            UPDATE delivery_message m SET due_at = now(), held_by = NULL
            FROM woken w WHERE m.id = w.id AND m.wave_on = w.wave_on
            """,
            {"ids": hold_ids, "most": most},
        )
        return int(cursor.rowcount)
