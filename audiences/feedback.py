"""What gateways, and time, say about addresses: that they are dead, or belong elsewhere.

A word of a gateway counts for the address that it speaks of, as it was registered then. Nothing here is an opt-out:
consent stays as it was.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Case, Value, When

from audiences.devices import change_locked
from audiences.models import Device
from audiences.models.device import EXPIRED_AFTER, FORGOTTEN, RETIRED

SLICE = 5_000
QUARANTINE_DAYS = 30


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a gateway's answer speaks of: this device at this address, as it was registered at that moment or before."""

    device_id: int
    address: str
    as_of: dt.datetime


def quarantine(spoken: Sequence[Spoken], *, reason: str, now: dt.datetime) -> set[int]:
    """The gateway said these addresses are dead: kept, with the reason, but not pushed to.

    A device that has another address by now, or registered this one again since, is left as it is. Returns the ids of
    those that are dead.
    """
    return _change_where_still_so(spoken, quarantined_at=now, quarantine_reason=reason)


def restore(device_ids: Collection[int]) -> list[int]:
    """The gateway was wrong about these addresses: they are pushed to again. Returns the devices that came back."""
    dead = Device.objects.filter(pk__in=device_ids, quarantined_at__isnull=False)
    with transaction.atomic():
        back = dead.exclude(address__startswith=RETIRED).exclude(address__startswith=FORGOTTEN).order_by("pk")
        rows = list(back.select_for_update().values_list("pk", "profile_id", named=False))
        change_locked(rows, quarantined_at=None, quarantine_reason="")
    return [pk for pk, _ in rows]


def ask_to_resubscribe(spoken: Sequence[Spoken], *, now: dt.datetime) -> set[int]:
    """These subscriptions belong to another sender key: they wait until the browser subscribes again."""
    return _change_where_still_so(spoken, needs_resubscribe_at=now)


def switch_environment(spoken: Sequence[Spoken]) -> set[int]:
    """These addresses are unknown where they were said to belong: they belong to Apple's other environment."""
    sandbox, production = Device.Environment.SANDBOX, Device.Environment.PRODUCTION
    other = Case(When(environment=sandbox, then=Value(production)), default=Value(sandbox))
    return _change_where_still_so(spoken, environment=other)


def _change_where_still_so(spoken: Sequence[Spoken], **values: object) -> set[int]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Whoever registers meanwhile is waited for, and then seen.
            cursor.execute(
                """
                SELECT d.id, d.profile_id FROM audiences_device d
                JOIN unnest(%s::bigint[], %s::text[], %s::timestamptz[]) AS s(id, address, as_of) ON s.id = d.id
                WHERE d.address = s.address AND d.registered_at <= s.as_of ORDER BY d.id FOR UPDATE OF d
                """,
                [[s.device_id for s in spoken], [s.address for s in spoken], [s.as_of for s in spoken]],
            )
            rows = cursor.fetchall()
        change_locked(rows, **values)
    return {pk for pk, _ in rows}


def expire_unseen(*, now: dt.datetime, most: int = 20) -> int:
    """Quarantine Android tokens whose app was not opened for 270 days: FCM has dropped them. Returns how many.

    In slices, so that no lock is held for long; after `most` of them the rest waits for the next turn.
    """
    total = 0
    for _ in range(most):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT id, profile_id FROM (
                    SELECT id, profile_id FROM audiences_device
                    WHERE gateway = 'fcm' AND platform <> 'ios' AND quarantined_at IS NULL AND last_seen_at < %s
                    ORDER BY last_seen_at LIMIT %s FOR UPDATE SKIP LOCKED
                ) expired ORDER BY id
                """,
                [now - EXPIRED_AFTER, SLICE],
            )
            rows = cursor.fetchall()
            if rows:
                change_locked(rows, quarantined_at=now, quarantine_reason="stale")
        total += len(rows)
        if len(rows) < SLICE:
            break
    return total
