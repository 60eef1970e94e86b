"""Push tokens that mobile SDKs send along with their calls (`context.device.token`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db.models import Q

from audiences.calls import Context
from audiences.devices import Registration, register
from audiences.models import Device, Permission

GATEWAYS = {"ios": "apns", "android": "fcm"}
LONGEST_TOKEN = 4096


def register_tokens(said: Sequence[tuple[int, Context | None]], *, now: dt.datetime) -> int:
    """Register the tokens in these (profile id, context), where they are new or now somebody else's.

    An SDK repeats its token with every call: one look-up for the batch finds those that are known. Returns how many
    were registered.
    """
    wanted: dict[tuple[str, str], Registration] = {}
    for profile_id, context in said:
        one = context and context.device and _registration(profile_id, context)
        if one:
            wanted[one.gateway, one.address] = one
    if not wanted:
        return 0
    known = {
        (device.gateway, device.address): device
        for device in Device.objects.filter(
            Q(address__in=[address for _, address in wanted]), detached_at=None, quarantined_at=None
        )
    }
    changed = [one for place, one in sorted(wanted.items()) if _differs(one, known.get(place))]
    register(changed, now=now)
    return len(changed)


def _differs(one: Registration, device: Device | None) -> bool:
    return device is None or (device.profile_id, device.permission) != (one.profile_id, one.permission)


def _registration(profile_id: int, context: Context) -> Registration | None:
    handset = context.device
    gateway = GATEWAYS.get(((handset and handset.type) or "").lower())
    if handset is None or gateway is None or not handset.token or len(handset.token) > LONGEST_TOKEN:
        return None
    if "\0" in handset.token:
        return None
    permission = handset.permission or Permission.GRANTED
    return Registration(
        profile_id=profile_id,
        key=None if handset.id is None else f"{gateway}:{handset.id}"[:255].replace("\0", ""),
        gateway=gateway,
        address=handset.token,
        permission=permission if permission in Permission.values else Permission.NOT_ASKED,
        platform=(handset.type or "").lower()[:16],
        os=str((context.os and context.os.name) or "")[:32].replace("\0", ""),
        app_version=str((context.app and context.app.version) or "")[:32].replace("\0", ""),
        locale=(context.locale or "")[:35].replace("\0", ""),
        zone=(context.timezone or "")[:64].replace("\0", ""),
    )
