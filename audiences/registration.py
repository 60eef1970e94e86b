"""Browsers and apps say which device they are, whose, and what they allow: identity, device and consent in one go."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from django.db import transaction

from audiences import devices
from audiences.arrivals import Arrival, ConsentSaid, Keys, check
from audiences.calls import Malformed
from audiences.consent import record_grants
from audiences.devices import device_key
from audiences.ingest import accept
from audiences.models import Device, Permission, Source
from audiences.models.device import PERMITTED
from audiences.races import again_where_lost
from audiences.tokens import NoToken, checked_token


class MalformedArrival(Malformed):
    """One of the arrivals, the `index`th, cannot be taken."""

    def __init__(self, index: int, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.index = index


def arrive(arrivals: Sequence[Arrival], *, source: Source | None, now: dt.datetime) -> list[Device | None]:
    """Register each device for whom it names, and record the permissions that were granted. All of them, or none.

    Without a source they are the company's own. Returns the devices in order, None where nothing is registered:
    without an address, or for a person who was erased. Raises MalformedArrival.
    """
    is_trusted = source is None or source.is_trusted
    for index, arrival in enumerate(arrivals):
        try:
            check(arrival, needs_id=not is_trusted)
        except Malformed as bad:
            raise MalformedArrival(index, bad.path, bad.reason) from None
    calls = [
        {
            "type": "identify",
            "anonymousId": arrival.anonymous_id,
            "userId": arrival.user_id,
            "userHash": arrival.user_hash,
            "context": {"locale": arrival.device.locale, "timezone": arrival.device.timezone},
        }
        for arrival in arrivals
    ]

    def attempt(is_again: bool) -> list[Device | None]:
        # One transaction: no merge may pass between finding the owner and registering the device.
        with transaction.atomic():
            found = accept(calls, source=source, now=now)
            if found.rejected:
                raise MalformedArrival(*found.rejected[0])
            return _attached(arrivals, found.owners, repeats=not is_trusted, now=now)

    return again_where_lost(attempt)


def _attached(
    arrivals: Sequence[Arrival], owners: Mapping[int, int], *, repeats: bool, now: dt.datetime
) -> list[Device | None]:
    """The devices of those whose owner is known, in order. A grant that the company's own services repeat is recorded
    only with the words that the person saw."""
    given = [index for index in owners if arrivals[index].device.address]
    for permission in Permission.values:
        keys = [
            device_key(said.gateway, said.id)
            for said in (arrivals[index].device for index in owners)
            if said.id and not said.address and said.permission == permission
        ]
        if keys:
            devices.set_permission(permission, keys=keys, now=now)
    back = _coming_back([arrivals[index] for index in given])
    registered = devices.register(
        [_registration(arrivals[index], owners[index], repeats=repeats) for index in given], now=now
    )
    grants: dict[tuple[str, str, str, bool], set[int]] = {}
    result: list[Device | None] = [None] * len(arrivals)
    for index, device in zip(given, registered, strict=True):
        result[index] = device
        is_grant = arrivals[index].device.permission == Permission.GRANTED and device.detached_at is None
        if is_grant and (repeats or arrivals[index].consent is not None):
            words = arrivals[index].consent or ConsentSaid()
            where = "browser permission" if device.gateway == Device.Gateway.WEBPUSH else "app permission"
            said = ((words.source or where)[:40], words.text[:2000], words.version[:40], device.pk in back)
            grants.setdefault(said, set()).add(owners[index])
    for (where, text, version, is_new), profile_ids in grants.items():
        record_grants(profile_ids, source=where, text=text, text_version=version, is_new=is_new, now=now)
    return result


def _coming_back(arrivals: Sequence[Arrival]) -> set[int]:
    """Devices that were off (logged out, unsubscribed, not permitted) and whose person has just said yes again."""
    asked = [arrival.device for arrival in arrivals if arrival.consent is not None]
    if not asked:
        return set()
    found = Device.objects.known_as(
        keys={device_key(said.gateway, said.id) for said in asked if said.id},
        addresses={said.address for said in asked},
    )
    return {device.pk for device in found if device.detached_at or device.permission not in PERMITTED}


def _registration(arrival: Arrival, profile_id: int, *, repeats: bool) -> devices.Registration:
    said = arrival.device
    keys = said.keys or Keys()
    return devices.Registration(
        profile_id=profile_id,
        key=device_key(said.gateway, said.id) if said.id else None,
        gateway=said.gateway,
        address=said.address,
        p256dh=keys.p256dh.rstrip("="),
        auth=keys.auth.rstrip("="),
        sender_key=said.application_server_key or "",
        app=said.app or "",
        environment=said.environment or "",
        permission=said.permission,
        platform=said.platform or "",
        browser=said.browser or "",
        os=said.os or "",
        app_version=(said.app_version or "")[:32],
        locale=said.locale or "",
        zone=said.timezone or "",
        previous_address=_kept(said.gateway, arrival.previous_address or ""),
        # Without words that the person has just agreed to, the app only says what it said before.
        repeats=repeats and arrival.consent is None,
    )


def _kept(gateway: str, address: str) -> str:
    """An address as it is kept, or nothing where it can be none."""
    try:
        return address if gateway == Device.Gateway.WEBPUSH or not address else checked_token(gateway, address)
    except NoToken:
        return ""
