"""Devices: a browser or app registers itself, and says goodbye at logout."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from audiences import devices
from audiences.arrivals import Arrival, DeviceSaid
from audiences.calls import Malformed
from audiences.database_clock import database_now
from audiences.devices import device_keys
from audiences.models import Device
from audiences.registration import arrive
from audiences.signing import sign
from console.tracking.bodies import body, decoded
from console.tracking.device_limits import spend_one
from console.tracking.door import endpoint
from console.tracking.keys import source_of
from console.tracking.refusals import answer, malformed
from delivery.addresses import UnsafeAddress, check_push_address


class Leaving(msgspec.Struct):
    id: str | None = None
    address: str | None = None


class Departure(msgspec.Struct, rename="camel"):
    device: Leaving
    write_key: str | None = None


_arrival = msgspec.json.Decoder(Arrival)
_departure = msgspec.json.Decoder(Departure)


@endpoint("POST")
def register(request: HttpRequest) -> HttpResponse:
    """The answer is the same whether the profile existed, was unknown or was erased."""
    arrival = decoded(body(request), _arrival)
    source = source_of(request, arrival.write_key)
    spend_one(request, source)
    said = arrival.device
    try:
        if said.gateway == Device.Gateway.WEBPUSH and said.address:
            check_push_address(said.address, exempt=settings.HEED_PUSH_ORIGINS)
        (device,) = arrive([arrival], source=source, now=database_now())
    except UnsafeAddress as unsafe:
        raise malformed("device.address", str(unsafe)) from None
    except Malformed as bad:
        raise malformed(bad.path, bad.reason) from None
    return answer({"success": True, "device": _id(device, said)})


def _id(device: Device | None, said: DeviceSaid) -> str | None:
    if device is None and said.address:
        # Nothing is registered for somebody who was erased, and nobody learns of it here.
        return str(UUID(bytes=sha256(sign("no device", f"{said.id} {said.address}").encode()).digest()[:16], version=4))
    return str(device.public_id) if device else None


@endpoint("POST")
def detach(request: HttpRequest) -> HttpResponse:
    """Logged out: nothing personal goes there until it is registered again."""
    departure = decoded(body(request), _departure)
    source_of(request, departure.write_key)
    leaving = departure.device
    if not (leaving.id or leaving.address):
        raise malformed("device.id", "Give the device's id or its address.")
    devices.detach(
        keys=device_keys(leaving.id) if leaving.id else [],
        addresses={leaving.address, leaving.address.lower()} if leaving.address else [],
        now=database_now(),
    )
    return answer({"success": True})
