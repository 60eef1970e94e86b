"""Push tokens that mobile SDKs send along with their calls (`context.device.token`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.db import connection

from audiences.calls import App, Call, Named, Said
from audiences.consent import record_grants
from audiences.devices import Registration, device_key, register
from audiences.feedback import Spoken, quarantine
from audiences.models import Device, Permission
from audiences.models.device import PERMITTED
from audiences.tokens import NoToken, checked_token

PLATFORMS = {"ios": "ios", "ipados": "ios", "android": "android"}
BOUNCED = "Push Notification Bounced"
SEEN_STEP = dt.timedelta(days=1)
"""`last_seen_at` is exact to this much, so that a busy app's device is not rewritten with every batch."""

Room = Callable[[int], int]
"""How many of so many new devices may be stored."""


@dataclass(frozen=True, slots=True)
class SaidBy:
    """One call of one profile, and when it was made."""

    profile_id: int
    call: Call
    at: dt.datetime


def heed_tokens(said: Iterable[SaidBy], *, room: Room | None, now: dt.datetime) -> None:
    """Register the tokens in these calls, where they are new or now somebody else's.

    An SDK repeats its token with every call: one look-up for the batch finds those that are known. A token of which
    its own app says that pushes bounced is quarantined. `room` is asked before new devices are stored, if given.
    """
    wanted: dict[str, Registration] = {}
    bounced: dict[str, tuple[str, dt.datetime]] = {}
    for one in said:
        found = _registration(one)
        if found is None:
            continue
        name = f"{found.gateway}:{found.address}"
        if one.call.event == BOUNCED:
            bounced[name] = (found.address, one.at)
        elif name not in wanted or one.at >= (wanted[name].said_at or one.at):
            wanted[name] = found
    if not wanted and not bounced:
        return
    devices = Device.objects.known_as(
        keys={one.key for one in wanted.values() if one.key},
        addresses={*(one.address for one in wanted.values()), *(address for address, _ in bounced.values())},
    )
    known = list(devices)
    _register([one for _, one in sorted(wanted.items())], known, room=room, now=now)
    dead = {f"{device.gateway}:{device.address}": device for device in known if device.quarantined_at is None}
    spoken = [Spoken(dead[name].pk, *bounced[name]) for name in sorted(bounced) if name in dead]
    if spoken:
        quarantine(spoken, reason="bounced", now=now)


def _register(wanted: Sequence[Registration], known: Sequence[Device], *, room: Room | None, now: dt.datetime) -> None:
    places = {(device.gateway, device.address): device for device in known}
    keys = {device.key for device in known if device.key}
    fresh: list[Registration] = []
    changed: list[Registration] = []
    seen: list[int] = []
    granted: list[int] = []
    for one in wanted:
        device = places.get((one.gateway, one.address))
        if device is None:
            (changed if one.key in keys else fresh).append(one)
        elif _differs(one, device):
            changed.append(one)
        elif device.last_seen_at < now - SEEN_STEP:
            seen.append(device.pk)
        if one.permission == Permission.GRANTED and (device is None or device.permission not in PERMITTED):
            granted.append(one.profile_id)
    if fresh and room is not None:
        fresh = fresh[: room(len(fresh))]
    owners = {device.profile_id for device in register([*fresh, *changed], now=now) if device.detached_at is None}
    record_grants(owners.intersection(granted), source="app permission", now=now)
    if seen:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE audiences_device SET last_seen_at = greatest(last_seen_at, %s) WHERE id = ANY(%s)",
                [now, sorted(seen)],
            )


def _differs(one: Registration, device: Device) -> bool:
    if device.detached_at is not None or device.profile_id != one.profile_id:
        return True
    if device.quarantined_at is not None:
        # What it said before its address died does not bring it back.
        return one.said_at is None or one.said_at >= device.quarantined_at
    told = (
        (one.permission, device.permission),
        (one.app, device.app),
        (one.app_version, device.app_version),
        (one.os, device.os),
        (one.locale, device.locale),
        (one.zone, device.zone),
    )
    return any(said and said != kept for said, kept in told)


def _registration(one: SaidBy) -> Registration | None:
    context = one.call.context
    handset = context.device if context is not None else None
    platform = PLATFORMS.get(((handset and handset.type) or "").lower())
    if context is None or handset is None or platform is None or not handset.token:
        return None
    # An iPhone's token is Apple's, unless its app takes its pushes from Firebase: those tokens hold a colon.
    gateway = "apns" if platform == "ios" and ":" not in handset.token else "fcm"
    try:
        address = checked_token(gateway, handset.token)
    except NoToken:
        return None
    app, os = context.app or App(), context.os or Named()
    environment = (handset.environment or "").lower()
    return Registration(
        profile_id=one.profile_id,
        key=device_key(gateway, _plain(handset.id, 240)) if handset.id else None,
        gateway=gateway,
        address=address,
        app=_plain(app.namespace, 255),
        environment=environment if environment in Device.Environment.values else "",
        permission=handset.permission if handset.permission in Permission.values else "",
        platform=platform,
        os=_plain(os.name, 32),
        app_version=_plain(app.version, 32),
        locale=_plain(context.locale, 35),
        zone=_plain(context.timezone, 64),
        said_at=one.at,
        repeats=True,
    )


def _plain(said: Said, most: int) -> str:
    return str(said or "")[:most].replace("\0", "")
