"""Devices: registering, renewing, logging out, and what the operating system allows.

Each change raises the epochs of the owners it touches, in the same transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Case, F, Value, When

from audiences.handover import Strangers, note_former_owners
from audiences.models import Device, Permission
from audiences.models.device import PERMITTED, RETIRED, DeviceQuerySet
from audiences.standing import raise_epochs


def device_key(gateway: str, own_id: str) -> str:
    """How a device's own id is kept: phones of two kinds may call themselves alike."""
    return own_id if gateway == Device.Gateway.WEBPUSH else f"{gateway}:{own_id}"


def device_keys(own_id: str) -> list[str]:
    """The keys under which a device that calls itself so may be kept."""
    return [device_key(gateway, own_id) for gateway in Device.Gateway.values]


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """What an app or browser tells about itself. `key` is the id that it keeps; the address may rotate.

    What is left empty stays as it was; a new device's permission is then granted. `said_at` is when the device said
    it, if not now. `repeats`: the app only says again what it is, nobody asked for it: such a word of a visitor takes
    no device from a known person, nor one that was logged out.
    """

    profile_id: int
    gateway: str
    address: str
    key: str | None = None
    p256dh: str = ""
    auth: str = ""
    sender_key: str = ""
    app: str = ""
    environment: str = ""
    permission: str = ""
    platform: str = ""
    browser: str = ""
    os: str = ""
    app_version: str = ""
    locale: str = ""
    zone: str = ""
    previous_address: str = ""
    simulated: bool = False
    said_at: dt.datetime | None = None
    repeats: bool = False


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
WRITTEN = (
    *FIELDS,
    "permission_lost_at",
    "registered_at",
    "last_seen_at",
    "detached_at",
    "quarantined_at",
    "needs_resubscribe_at",
    "quarantine_reason",
)


def register(batch: Sequence[Registration], *, now: dt.datetime) -> list[Device]:
    """Register devices, or renew them. Returns them in the order given.

    A device is found by its key, else by its previous address, else by its address; it keeps its row, so that a
    message in flight follows it to the new address and is pushed to it once. Registering also ends a quarantine, a
    logout and the need to subscribe again. The one live address of a device is the one registered last.
    """
    if not batch:
        return []
    with transaction.atomic():
        known = _lock_known(batch)
        strangers = Strangers({one.profile_id for one in batch if one.repeats}, known)
        work = _Registering(known, strangers, now=now)
        devices = [work.take(one) for one in batch]
        work.save()
        return [work.final(device) for device in devices]


class _Registering:
    """One batch. `strangers`: visitors that take no known person's device by repeating what they are."""

    def __init__(self, known: Sequence[Device], strangers: Strangers, *, now: dt.datetime) -> None:
        self.now = now
        self.strangers = strangers
        self.by_key = {device.key: device for device in known if device.key}
        self.by_address = {(device.gateway, device.address): device for device in known}
        self.changed: dict[int, Device] = {}
        self.fresh: list[Device] = []
        self.absorbed: dict[int, Device] = {}  # by id(): unwritten devices that turned out to be another
        self.doomed: set[int] = set()
        self.owners: set[int] = set()
        self.left: dict[tuple[int, int], None] = {}

    def take(self, one: Registration) -> Device:
        place = (one.gateway, one.address)
        holder = self.by_address.get(place)
        device = (
            self.by_key.get(one.key or "") or self.by_address.get((one.gateway, one.previous_address or "?")) or holder
        )
        if device is not None and self._leaves_as_it_is(device, one):
            return device
        if device is None:
            device = Device(created_at=self.now, permission=Permission.GRANTED)
            self.fresh.append(device)
        elif holder is not None and holder is not device:
            device = self._one_of(device, holder)
        self._write(device, one)
        self.by_address[place] = device
        if device.key:
            self.by_key[device.key] = device
        return device

    def _leaves_as_it_is(self, device: Device, one: Registration) -> bool:
        """Old news, or a visitor on a device where somebody logged out: then it stays logged out."""
        if device.pk is None or (device.profile_id == one.profile_id and device.detached_at is None):
            return False
        if one.said_at is not None and one.said_at < max(device.registered_at, device.detached_at or one.said_at):
            return True
        if not (one.repeats and self.strangers.may_not_take(device, one.profile_id)):
            return False
        if device.detached_at is None:
            device.detached_at = self.now
            self.owners.add(device.profile_id)
            self.changed[device.pk] = device
        return True

    def _one_of(self, device: Device, holder: Device) -> Device:
        """Another row holds this address (a cleared browser got a new key): the address lives once."""
        if holder.pk is None:
            self.fresh.remove(holder)
            self.absorbed[id(holder)] = device
            return device
        self.owners.add(holder.profile_id)
        if device.pk is None:
            self.fresh.remove(device)
            self.absorbed[id(device)] = holder
            return holder
        self.doomed.add(holder.pk)
        return device

    def _write(self, device: Device, one: Registration) -> None:
        if device.pk is not None:
            self.owners.add(device.profile_id)
            self.changed[device.pk] = device
            if device.profile_id != one.profile_id:
                self.left[device.pk, device.profile_id] = None
                self.left.pop((device.pk, one.profile_id), None)
                device.permission_lost_at = None
            if one.permission and one.permission not in PERMITTED and device.permission in PERMITTED:
                device.permission_lost_at = self.now
        for name in FIELDS:
            value = getattr(one, name)
            if value or (device.pk is None and name != "permission"):
                setattr(device, name, value)
        device.registered_at = device.last_seen_at = self.now
        device.detached_at = device.quarantined_at = device.needs_resubscribe_at = None
        device.quarantine_reason = ""
        self.owners.add(one.profile_id)

    def final(self, device: Device) -> Device:
        while id(device) in self.absorbed:
            device = self.absorbed[id(device)]
        return device

    def save(self) -> None:
        raise_epochs(self.owners)
        if self.doomed:
            _retire(self.doomed, now=self.now)
        Device.objects.bulk_update(self.changed.values(), WRITTEN, batch_size=500)
        Device.objects.bulk_create(self.fresh, batch_size=1000)
        if self.left:
            note_former_owners(list(self.left), now=self.now)


def _lock_known(batch: Sequence[Registration]) -> list[Device]:
    addresses = {text for one in batch for text in (one.address, one.previous_address) if text}
    keys = {one.key for one in batch if one.key}
    return list(Device.objects.known_as(keys=keys, addresses=addresses).order_by("pk").select_for_update())


def _retire(device_ids: Collection[int], *, now: dt.datetime) -> None:
    """Rows whose address moved to another row keep their history under a retired address."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE audiences_device SET address = '{RETIRED}' || id || ':' || md5(address), key = NULL,
                   quarantined_at = %s, quarantine_reason = 'superseded'
            WHERE id = ANY(%s)
            """,
            [now, sorted(device_ids)],
        )


def detach(*, keys: Collection[str] = (), addresses: Collection[str] = (), now: dt.datetime) -> int:
    """Log devices out: they get no personal push until they are registered again. Returns how many."""
    return change(Device.objects.known_as(keys=keys, addresses=addresses), detached_at=now)


def set_permission(
    permission: str, *, keys: Collection[str] = (), addresses: Collection[str] = (), now: dt.datetime
) -> int:
    """Record what the operating system allows now. Returns how many devices changed."""
    return change(Device.objects.known_as(keys=keys, addresses=addresses), **permission_values(permission, now=now))


def permission_values(permission: str, *, now: dt.datetime) -> dict[str, object]:
    """What changes with a permission: the moment in which it was lost, too."""
    lost = Case(When(permission__in=PERMITTED, then=Value(now)), default=F("permission_lost_at"))
    return {"permission": permission} | ({} if permission in PERMITTED else {"permission_lost_at": lost})


def remove(found: DeviceQuerySet) -> int:
    """Delete these devices, address and all; what was sent to them stays on record. Returns how many."""
    with transaction.atomic():
        rows = list(found.order_by("pk").select_for_update().values_list("pk", "profile_id", named=False))
        raise_epochs({profile_id for _, profile_id in rows})
        Device.objects.filter(pk__in=[pk for pk, _ in rows]).delete()
    return len(rows)


def change(found: DeviceQuerySet, **values: object) -> int:
    """Change these devices, each under its lock, and raise the epochs of their owners. Returns how many."""
    with transaction.atomic():
        rows = list(found.order_by("pk").select_for_update().values_list("pk", "profile_id", named=False))
        return change_locked(rows, **values)


def change_locked(rows: Collection[tuple[int, int]], **values: object) -> int:
    """The same for (device, owner) that the caller has locked."""
    raise_epochs({profile_id for _, profile_id in rows})
    return Device.objects.filter(pk__in=[pk for pk, _ in rows]).update(**values)
