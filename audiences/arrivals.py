"""What a browser or app says when it registers, and the checks that it must pass."""

from __future__ import annotations

from base64 import urlsafe_b64decode

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

from audiences.calls import Malformed, Said
from audiences.models import Device, Permission
from audiences.models.device import PERMITTED
from audiences.tokens import NoToken, checked_token

LONGEST = {
    "id": 240,
    "address": 4096,
    "locale": 35,
    "timezone": 64,
    "platform": 16,
    "browser": 32,
    "os": 32,
    "app": 255,
    "app_version": 255,
    "application_server_key": 255,
}
LONGEST_ENDPOINT = 2048


class Keys(msgspec.Struct):
    p256dh: str = ""
    auth: str = ""


class DeviceSaid(msgspec.Struct, rename="camel"):
    id: str = ""
    gateway: str = "webpush"
    address: str = ""
    keys: Keys | None = None
    permission: str = "granted"
    application_server_key: str | None = None
    app: str | None = None
    environment: str | None = None
    platform: str | None = None
    browser: str | None = None
    os: str | None = None
    app_version: str | None = None
    locale: str | None = None
    timezone: str | None = None


class ConsentSaid(msgspec.Struct):
    """The words that the person saw before the browser or phone asked."""

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


def check(arrival: Arrival, *, needs_id: bool) -> None:
    """Refuse what could not be stored, or not be pushed to. Raises Malformed."""
    said = arrival.device
    for name, most in LONGEST.items():
        text = getattr(said, name) or ""
        if len(text) > most or "\0" in text:
            raise Malformed(f"device.{_camel(name)}", f"Give {most} characters at most, and no NUL.")
    for path, text in (
        ("previousAddress", arrival.previous_address),
        *(
            (f"consent.{name}", getattr(arrival.consent, name))
            for name in ConsentSaid.__struct_fields__
            if arrival.consent
        ),
    ):
        if text and "\0" in text:
            raise Malformed(path, "NUL characters are not stored.")
    if needs_id and not said.id:
        raise Malformed("device.id", "Give the id that this browser or app keeps.")
    if said.gateway not in Device.Gateway.values:
        raise Malformed("device.gateway", f"Give one of {', '.join(Device.Gateway.values)}.")
    if said.permission not in Permission.values:
        raise Malformed("device.permission", f"Give one of {', '.join(Permission.values)}.")
    if said.environment and said.environment not in Device.Environment.values:
        raise Malformed("device.environment", f"Give one of {', '.join(Device.Environment.values)}.")
    _check_address(said)


def _check_address(said: DeviceSaid) -> None:
    if not said.address:
        if said.permission in PERMITTED:
            raise Malformed("device.address", "Give the push address: the subscription's endpoint, or the token.")
    elif said.gateway == Device.Gateway.WEBPUSH:
        if len(said.address) > LONGEST_ENDPOINT:
            raise Malformed("device.address", f"Give {LONGEST_ENDPOINT} characters at most.")
        check_keys(said.keys or Keys())
    else:
        try:
            said.address = checked_token(said.gateway, said.address)
        except NoToken as bad:
            raise Malformed("device.address", str(bad)) from None


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


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
