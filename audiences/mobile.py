"""Push tokens that mobile SDKs send along with their calls (`context.device.token`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from audiences.calls import Call, Context
from audiences.devices import Registration, Spoken, quarantine, register
from audiences.models import Device, Permission

GATEWAYS = {"ios": "apns", "android": "fcm"}
LONGEST_TOKEN = 4096


BOUNCED = "Push Notification Bounced"


def heed_tokens(said: Sequence[tuple[int, Call, dt.datetime]], *, now: dt.datetime) -> None:
    """Register the tokens in these (profile id, call, when), where they are new or now somebody else's.

    An SDK repeats its token with every call: one look-up for the batch finds those that are known. A token of which
    its own app says that pushes bounced is quarantined.
    """
    wanted: dict[tuple[str, str], Registration] = {}
    bounced: dict[tuple[str, str], dt.datetime] = {}
    for profile_id, call, when in said:
        context = call.context
        one = _registration(profile_id, context) if context is not None and context.device is not None else None
        if one is not None and call.event == BOUNCED:
            bounced[one.gateway, one.address] = when
        elif one is not None:
            wanted[one.gateway, one.address] = one
    if not wanted and not bounced:
        return
    known = {
        (device.gateway, device.address): device
        for device in Device.objects.filter(
            address__in=[address for _, address in {*wanted, *bounced}], detached_at=None, quarantined_at=None
        )
    }
    register([one for place, one in sorted(wanted.items()) if _differs(one, known.get(place))], now=now)
    quarantine(
        [Spoken(known[place].pk, place[1], bounced[place]) for place in sorted(bounced) if place in known],
        reason="bounced",
        now=now,
    )


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
