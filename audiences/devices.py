"""Devices: registering, detaching, and what their gateways say about their addresses.

Each change raises the epochs of the owners it touches, in the same transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Case, F, Q, Value, When

from audiences.models import Device, Permission
from audiences.models.device import PERMITTED
from audiences.standing import raise_epochs

QUARANTINE_DAYS = 30
RETIRED, FORGOTTEN = "retired:", "forgotten:"
"""What stands in place of an address that moved to another row, or was forgotten."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """What an app or browser tells about itself. `key` is the id that it keeps; the address may rotate."""

    profile_id: int
    gateway: str
    address: str
    key: str | None = None
    p256dh: str = ""
    auth: str = ""
    sender_key: str = ""
    app: str = ""
    environment: str = ""
    permission: str = Permission.GRANTED
    platform: str = ""
    browser: str = ""
    os: str = ""
    app_version: str = ""
    locale: str = ""
    zone: str = ""
    previous_address: str = ""
    simulated: bool = False


FIELDS = (
    "profile_id",
    "key",
    "gateway",
    "address",
    "p256dh",
    "auth",
    "sender_key",
    "app",
    "environment",
    "permission",
    "platform",
    "browser",
    "os",
    "app_version",
    "locale",
    "zone",
    "simulated",
)


def register(batch: Sequence[Registration], *, now: dt.datetime) -> list[Device]:
    """Register devices, or renew them. Returns them in the order given.

    A device is found by its key, else by its previous address, else by its address; it keeps its row, so that a
    message in flight follows it to the new address and is pushed to it once. Registering also ends a quarantine, a
    logout and the need to subscribe again. The one live address of a device is the one registered last.
    """
    with transaction.atomic():
        found = _lock_known(batch)
        devices: list[Device] = []
        owners: set[int] = set()
        taken: dict[tuple[str, str], Device] = {}  # by key or address: the same device again in this batch
        fresh: list[Device] = []
        doomed: set[int] = set()
        for one in batch:
            device = (
                (taken.get(("key", one.key)) if one.key else None)
                or taken.get((one.gateway, one.address))
                or found.by_key(one.key)
                or found.by_address(one.gateway, one.previous_address)
                or found.by_address(one.gateway, one.address)
            )
            holder = found.by_address(one.gateway, one.address)
            if device is not None and holder is not None and holder is not device:
                # Another row holds this address (a cleared browser got a new key): the address lives once.
                owners.add(holder.profile_id)
                doomed.add(holder.pk)
                device = holder if device.pk is None else device
            if device is None:
                device = Device(created_at=now)
                fresh.append(device)
            else:
                owners.add(device.profile_id)
            if device.pk and device.permission in PERMITTED and one.permission not in PERMITTED:
                device.permission_lost_at = now
            for name in FIELDS:
                value = getattr(one, name)
                # What a renewal leaves unsaid stays as it was.
                if value or name in ("profile_id", "permission") or device.pk is None:
                    setattr(device, name, value)
            device.registered_at = device.last_seen_at = now
            device.detached_at = device.quarantined_at = device.needs_resubscribe_at = None
            device.quarantine_reason = ""
            owners.add(one.profile_id)
            taken[one.gateway, one.address] = device
            if one.key:
                taken["key", one.key] = device
            devices.append(device)
        raise_epochs(owners)
        renewed = {device.pk: device for device in devices if device.pk is not None}
        doomed -= set(renewed)
        if doomed:
            _retire(doomed, now=now)
        Device.objects.bulk_update(
            renewed.values(),
            [
                *FIELDS,
                "permission_lost_at",
                "registered_at",
                "last_seen_at",
                "detached_at",
                "quarantined_at",
                "needs_resubscribe_at",
                "quarantine_reason",
            ],
            batch_size=500,
        )
        Device.objects.bulk_create(fresh, batch_size=1000)
    return devices


class _Known:
    def __init__(self, devices: Sequence[Device]) -> None:
        self._keys = {device.key: device for device in devices if device.key}
        self._addresses = {(device.gateway, device.address): device for device in devices}

    def by_key(self, key: str | None) -> Device | None:
        return self._keys.get(key) if key else None

    def by_address(self, gateway: str, address: str) -> Device | None:
        return self._addresses.get((gateway, address)) if address else None


def _lock_known(batch: Sequence[Registration]) -> _Known:
    addresses = {text for one in batch for text in (one.address, one.previous_address) if text}
    keys = {one.key for one in batch if one.key}
    known = Device.objects.filter(Q(key__in=keys) | Q(address__in=addresses)).order_by("pk").select_for_update()
    return _Known(list(known))


def _retire(device_ids: Collection[int], *, now: dt.datetime) -> None:
    """Rows whose address moved to another row keep their history under a retired address."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE audiences_device SET address = 'retired:' || id || ':' || md5(address), key = NULL,
                   quarantined_at = %s, quarantine_reason = 'superseded'
            WHERE id = ANY(%s)
            """,
            [now, sorted(device_ids)],
        )


def detach(*, keys: Collection[str] = (), addresses: Collection[str] = (), now: dt.datetime) -> int:
    """Log devices out: they get no personal push until they are registered again. Returns how many."""
    return _change(Q(key__in=keys) | Q(address__in=addresses), detached_at=now)


def set_permission(
    permission: str, *, keys: Collection[str] = (), addresses: Collection[str] = (), now: dt.datetime
) -> int:
    """Record what the operating system allows now. Returns how many devices changed."""
    lost = Case(When(permission__in=PERMITTED, then=Value(now)), default=F("permission_lost_at"))
    values = {"permission": permission} | ({} if permission in PERMITTED else {"permission_lost_at": lost})
    return _change(Q(key__in=keys) | Q(address__in=addresses), **values)


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
    dead = Q(pk__in=device_ids, quarantined_at__isnull=False)
    with transaction.atomic():
        back = Device.objects.filter(dead).exclude(address__startswith=RETIRED).exclude(address__startswith=FORGOTTEN)
        found = list(back.order_by("pk").select_for_update().values_list("pk", flat=True))
        _change(Q(pk__in=found), quarantined_at=None, quarantine_reason="")
    return found


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
        _set(rows, **values)
    return {pk for pk, _ in rows}


def _change(which: Q, **values: object) -> int:
    with transaction.atomic():
        rows = list(
            Device.objects.filter(which).order_by("pk").select_for_update().values_list("pk", "profile_id", named=False)
        )
        return _set(rows, **values)


def _set(rows: Collection[tuple[int, int]], **values: object) -> int:
    """Change these (device, owner), which are locked."""
    raise_epochs({profile_id for _, profile_id in rows})
    return Device.objects.filter(pk__in=[pk for pk, _ in rows]).update(**values)
