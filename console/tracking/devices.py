"""Devices: a browser or app registers itself, and says goodbye at logout."""

from __future__ import annotations

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from audiences import devices
from audiences.calls import Malformed
from audiences.models import Device
from audiences.registration import Arrival, arrive
from console.client_address import client_address
from console.tracking import rates
from console.tracking.bodies import body, decoded
from console.tracking.door import endpoint, is_own
from console.tracking.keys import source_of
from console.tracking.refusals import Refused, answer, malformed
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
    """The answer is the same whether the profile existed or not."""
    arrival = decoded(body(request), _arrival)
    source = source_of(request, arrival.write_key)
    origin = request.META.get("HTTP_ORIGIN")
    if origin and not is_own(request, origin):
        raise Refused(403, "foreign_origin", "HEED_CORS_ORIGINS names the sites whose pages may register devices.")
    if not source.is_trusted:
        rates.spend("devices", client_address(request))
    said = arrival.device
    try:
        if said.gateway == Device.Gateway.WEBPUSH and said.address:
            check_push_address(said.address, exempt=settings.HEED_PUSH_ORIGINS)
        device = arrive(arrival, source=source, now=timezone.now())
    except UnsafeAddress as unsafe:
        raise malformed("device.address", str(unsafe)) from None
    except Malformed as bad:
        raise malformed(bad.path, bad.reason) from None
    return answer({"success": True, "device": str(device.public_id) if device else None})


@endpoint("POST")
def detach(request: HttpRequest) -> HttpResponse:
    """Logged out: nothing personal goes there until it is registered again."""
    departure = decoded(body(request), _departure)
    source_of(request, departure.write_key)
    leaving = departure.device
    if not (leaving.id or leaving.address):
        raise malformed("device.id", "Give the device's id or its address.")
    devices.detach(
        keys=[leaving.id] if leaving.id else [],
        addresses=[leaving.address] if leaving.address else [],
        now=timezone.now(),
    )
    return answer({"success": True})
