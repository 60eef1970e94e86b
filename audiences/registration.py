"""A browser or app says which device it is, whose, and what it allows: identity, device and consent in one go."""

from __future__ import annotations

import datetime as dt
from base64 import urlsafe_b64decode

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from django.db import transaction

from audiences import devices
from audiences.calls import Malformed, Said
from audiences.consent import record_grants
from audiences.ingest import accept
from audiences.models import Device, Permission, Source
from audiences.races import again_where_lost

LONGEST = {"id": 255, "address": 2048, "locale": 35, "timezone": 64, "platform": 16, "browser": 32, "os": 32}


class Keys(msgspec.Struct):
    p256dh: str = ""
    auth: str = ""


class DeviceSaid(msgspec.Struct, rename="camel"):
    id: str
    gateway: str = "webpush"
    address: str = ""
    keys: Keys | None = None
    permission: str = "granted"
    application_server_key: str | None = None
    platform: str | None = None
    browser: str | None = None
    os: str | None = None
    app_version: str | None = None
    locale: str | None = None
    timezone: str | None = None


class ConsentSaid(msgspec.Struct):
    """The words that the person saw before the browser asked."""

    text: str = ""
    version: str = ""
    source: str = ""


class Arrival(msgspec.Struct, rename="camel"):
    device: DeviceSaid
    write_key: str | None = None
    anonymous_id: Said = None
    user_id: Said = None
    user_hash: str | None = None
    previous_address: str | None = None
    consent: ConsentSaid | None = None


def arrive(arrival: Arrival, *, source: Source, now: dt.datetime) -> Device | None:
    """Register the device for whom it names, and record a permission that was granted.

    Returns the device, or None where nothing is registered: without an address, or for a person who was erased.
    Raises Malformed.
    """
    said = arrival.device
    _check(arrival)
    call = {
        "type": "identify",
        "anonymousId": arrival.anonymous_id,
        "userId": arrival.user_id,
        "userHash": arrival.user_hash,
        "context": {"locale": said.locale, "timezone": said.timezone},
    }

    def attempt(is_again: bool) -> Device | None:
        # One transaction: no merge may pass between finding the owner and registering the device.
        with transaction.atomic():
            found = accept([call], source=source, now=now)
            if found.rejected:
                _, path, reason = found.rejected[0]
                raise Malformed(path, reason)
            if 0 not in found.owners:
                return None
            if not said.address:
                devices.set_permission(said.permission, keys=[said.id], now=now)
                return None
            device = devices.register([_registration(arrival, found.owners[0])], now=now)[0]
            if said.permission == Permission.GRANTED:
                words = arrival.consent or ConsentSaid()
                record_grants(
                    [found.owners[0]],
                    source=(words.source or "browser permission")[:40],
                    text=words.text[:2000],
                    text_version=words.version[:40],
                    now=now,
                )
            return device

    return again_where_lost(attempt)


def _check(arrival: Arrival) -> None:
    said = arrival.device
    for name, most in LONGEST.items():
        text = getattr(said, name) or ""
        if len(text) > most or "\0" in text:
            raise Malformed(f"device.{name}", f"Give {most} characters at most, and no NUL.")
    for path, text in (
        ("previousAddress", arrival.previous_address),
        ("device.applicationServerKey", said.application_server_key),
        ("device.appVersion", said.app_version),
        *(
            (f"consent.{name}", getattr(arrival.consent, name))
            for name in ConsentSaid.__struct_fields__
            if arrival.consent
        ),
    ):
        if text and "\0" in text:
            raise Malformed(path, "NUL characters are not stored.")
    if not said.id:
        raise Malformed("device.id", "Give the id that this browser or app keeps.")
    if said.gateway not in Device.Gateway.values:
        raise Malformed("device.gateway", f"Give one of {', '.join(Device.Gateway.values)}.")
    if said.permission not in Permission.values:
        raise Malformed("device.permission", f"Give one of {', '.join(Permission.values)}.")
    if not said.address:
        if said.permission == Permission.GRANTED:
            raise Malformed("device.address", "Give the push address: the subscription's endpoint, or the token.")
    elif said.gateway == Device.Gateway.WEBPUSH:
        check_keys(said.keys or Keys())


def check_keys(keys: Keys) -> None:
    """Refuse keys that nothing could be encrypted with: a point of P-256, and 16 bytes."""
    try:
        EllipticCurvePublicKey.from_encoded_point(SECP256R1(), _decoded(keys.p256dh))
    except ValueError:
        raise Malformed(
            "device.keys.p256dh", "Give the subscription's p256dh key, base64url: a point of P-256."
        ) from None
    try:
        auth = _decoded(keys.auth)
    except ValueError:
        auth = b""
    if len(auth) != 16:
        raise Malformed("device.keys.auth", "Give the subscription's auth secret: 16 bytes, base64url.")


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))


def _registration(arrival: Arrival, profile_id: int) -> devices.Registration:
    said = arrival.device
    keys = said.keys or Keys()
    return devices.Registration(
        profile_id=profile_id,
        key=said.id,
        gateway=said.gateway,
        address=said.address,
        p256dh=keys.p256dh.rstrip("="),
        auth=keys.auth.rstrip("="),
        sender_key=(said.application_server_key or "")[:255],
        permission=said.permission,
        platform=said.platform or "",
        browser=said.browser or "",
        os=said.os or "",
        app_version=(said.app_version or "")[:32],
        locale=said.locale or "",
        zone=said.timezone or "",
        previous_address=arrival.previous_address or "",
    )
