"""Devices: registered for whom they belong to, their permission, logout, and their end."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audiences import devices
from audiences.arrivals import Arrival, ConsentSaid, DeviceSaid, Keys
from audiences.calls import Malformed
from audiences.database_clock import database_now
from audiences.devices import device_keys
from audiences.models import Device, Permission
from audiences.registration import MalformedArrival, arrive
from console.api.base import ApiView, Moment, Plain, Strict, known_zone, page, profile_of
from console.api.problems import Invalid
from console.device_words import reasons_of
from delivery.addresses import UnsafeAddress, check_push_address

MOST = 1000


class DeviceShape(Strict):
    """Three states that do not follow from one another: what the system allows (`permission`), whether the address
    works (`health`), and whether somebody is signed in (`detached_at`). `reason` is why it is not pushed to, or
    empty. Addresses are never shown."""

    id = serializers.UUIDField(source="public_id")
    gateway = serializers.CharField()
    app = serializers.CharField()
    environment = serializers.CharField()
    permission = serializers.CharField()
    permission_lost_at = Moment()
    health = serializers.SerializerMethodField()
    health_reason = serializers.CharField(source="quarantine_reason")
    reason = serializers.SerializerMethodField()
    platform = serializers.CharField()
    browser = serializers.CharField()
    os = serializers.CharField()
    app_version = serializers.CharField()
    locale = serializers.CharField()
    zone = serializers.CharField()
    created_at = Moment()
    registered_at = Moment()
    last_seen_at = Moment()
    detached_at = Moment()
    quarantined_at = Moment()

    def get_health(self, device: Device) -> str:
        return device.health(now=timezone.now())

    def get_reason(self, device: Device) -> str:
        known = self.context.setdefault("reasons", {})
        if device.pk not in known:
            shown = getattr(self.parent, "instance", None)
            known |= reasons_of(shown if isinstance(shown, list) else [device])
        return str(known[device.pk])


class ConsentShape(Strict):
    source = Plain(max_length=40, required=False, help_text="Where the person agreed, such as onboarding.")
    text = Plain(max_length=2000, help_text="The words that the person saw.")
    version = Plain(max_length=40, required=False, allow_blank=True)


class DeviceOfOne(Strict):
    """A device of the profile that the address names."""

    key = Plain(max_length=240, required=False, help_text="The id that the browser or app keeps.")
    gateway = serializers.ChoiceField(choices=Device.Gateway.choices)
    address = Plain(max_length=4096, help_text="The push token, or the subscription's endpoint.")
    p256dh = Plain(max_length=200, required=False)
    auth = Plain(max_length=100, required=False)
    application_server_key = Plain(max_length=255, required=False)
    app = Plain(max_length=255, required=False, help_text="The bundle id or package name.")
    environment = serializers.ChoiceField(choices=Device.Environment.choices, required=False)
    permission = serializers.ChoiceField(choices=Permission.choices, default=Permission.GRANTED)
    platform = Plain(max_length=16, required=False)
    browser = Plain(max_length=32, required=False)
    os = Plain(max_length=32, required=False)
    app_version = Plain(max_length=32, required=False)
    locale = Plain(max_length=35, required=False)
    zone = Plain(max_length=64, required=False, validators=[known_zone])
    previous_address = Plain(max_length=4096, required=False, help_text="What the address was before it changed.")
    consent = ConsentShape(required=False, help_text="Written into the ledger, where the person has just agreed.")


class NewDevice(DeviceOfOne):
    external_id = Plain(max_length=255)


class ManyDevices(Strict):
    devices = NewDevice(many=True, min_length=1, max_length=MOST)


class Devices(ApiView):
    def post(self, request: Request) -> Response:
        """Register a device, or renew the one with this key or address: 201 where it is new."""
        shape = NewDevice(data=request.data)
        shape.is_valid(raise_exception=True)
        return _registered_one(shape.validated_data, request)


class BulkDevices(ApiView):
    def post(self, request: Request) -> Response:
        """Up to 1,000 at once: all of them, or none. Those of people who were erased are named in `erased`."""
        many = ManyDevices(data=request.data)
        many.is_valid(raise_exception=True)
        found = _registered(many.validated_data["devices"], prefix="/devices", now=database_now())
        return Response(
            {
                "results": [str(device.public_id) if device else None for device in found],
                "erased": [f"/devices/{index}" for index, device in enumerate(found) if device is None],
            }
        )


class DevicesOfProfile(ApiView):
    def get(self, request: Request, external_id: str) -> Response:
        """All of them; addresses are never shown."""
        return page(Device.objects.filter(profile=profile_of(external_id)), DeviceShape, request, self)

    def post(self, request: Request, external_id: str) -> Response:
        """As /api/devices, for the profile with this id."""
        shape = DeviceOfOne(data=request.data)
        shape.is_valid(raise_exception=True)
        return _registered_one({**shape.validated_data, "external_id": external_id}, request)


class PermissionChange(Strict):
    permission = serializers.ChoiceField(choices=Permission.choices)


class OneDevice(ApiView):
    def get(self, request: Request, public_id: UUID) -> Response:
        return _shown(public_id, request)

    def patch(self, request: Request, public_id: UUID) -> Response:
        """What the browser or phone allows now. It is not consent: `/api/choices` records that."""
        shape = PermissionChange(data=request.data)
        shape.is_valid(raise_exception=True)
        values = devices.permission_values(shape.validated_data["permission"], now=database_now())
        devices.change(Device.objects.filter(public_id=public_id), **values)
        return _shown(public_id, request)

    def delete(self, request: Request, public_id: UUID) -> Response:
        """The device with its address. What was sent to it stays on record."""
        if not devices.remove(Device.objects.filter(public_id=public_id)):
            raise exceptions.NotFound("There is no device with this id.")
        return Response(status=204)


class LeavingDevice(ApiView):
    def post(self, request: Request, public_id: UUID) -> Response:
        """Logged out: nothing personal goes there until it is registered again."""
        devices.change(Device.objects.filter(public_id=public_id), detached_at=database_now())
        return _shown(public_id, request)


class Named(Strict):
    key = Plain(max_length=240, required=False)
    address = Plain(max_length=4096, required=False)

    def validate(self, said: dict[str, Any]) -> dict[str, Any]:
        if not said.get("key") and not said.get("address"):
            raise serializers.ValidationError("Give the device's key or its address.")
        return said


class Leaving(ApiView):
    def post(self, request: Request) -> Response:
        """The same for a device that you know by its key or address. Says how many there were."""
        shape = Named(data=request.data)
        shape.is_valid(raise_exception=True)
        key, address = shape.validated_data.get("key"), shape.validated_data.get("address")
        count = devices.detach(
            keys=device_keys(key) if key else [],
            addresses={address, address.lower()} if address else [],
            now=database_now(),
        )
        return Response({"detached": count})


# Where registration says that something is wrong → the field of this API that said it.
_FIELDS = {
    "userId": "external_id",
    "previousAddress": "previous_address",
    "device.id": "key",
    "device.timezone": "zone",
    "device.keys.p256dh": "p256dh",
    "device.keys.auth": "auth",
}


def _registered_one(said: Mapping[str, Any], request: Request) -> Response:
    now = database_now()
    (device,) = _registered([said], now=now)
    if device is None:
        raise Invalid("This person was erased.", pointer="/external_id")
    status = 201 if device.created_at >= now else 200
    return Response(DeviceShape(device, context={"request": request}).data, status=status)


def _registered(said: Sequence[Mapping[str, Any]], *, prefix: str = "", now: dt.datetime) -> list[Device | None]:
    """The devices, in order; None for people who were erased. Raises Invalid with a pointer to the first bad one."""
    for index, one in enumerate(said):
        if one["gateway"] == Device.Gateway.WEBPUSH:
            try:
                check_push_address(one["address"], exempt=settings.HEED_PUSH_ORIGINS)
            except UnsafeAddress as unsafe:
                raise Invalid(str(unsafe), pointer=_pointer(prefix, index, "address")) from None
    try:
        return arrive([_arrival(one) for one in said], source=None, now=now)
    except MalformedArrival as bad:
        raise Invalid(bad.reason, pointer=_pointer(prefix, bad.index, _field(bad))) from None


def _pointer(prefix: str, index: int, field: str) -> str:
    return f"{prefix}/{index}/{field}" if prefix else f"/{field}"


def _field(bad: Malformed) -> str:
    last = bad.path.removeprefix("device.").replace(".", "/")
    return _FIELDS.get(bad.path) or re.sub("[A-Z]", lambda found: "_" + found[0].lower(), last)


def _arrival(said: Mapping[str, Any]) -> Arrival:
    consent = said.get("consent")
    return Arrival(
        user_id=said["external_id"],
        previous_address=said.get("previous_address"),
        consent=None if consent is None else ConsentSaid(**{"source": "REST API", **consent}),
        device=DeviceSaid(
            id=said.get("key", ""),
            gateway=said["gateway"],
            address=said["address"],
            keys=Keys(p256dh=said.get("p256dh", ""), auth=said.get("auth", "")),
            permission=said["permission"],
            application_server_key=said.get("application_server_key"),
            app=said.get("app"),
            environment=said.get("environment"),
            platform=said.get("platform"),
            browser=said.get("browser"),
            os=said.get("os"),
            app_version=said.get("app_version"),
            locale=said.get("locale"),
            timezone=said.get("zone"),
        ),
    )


def _shown(public_id: UUID, request: Request) -> Response:
    device = Device.objects.filter(public_id=public_id).first()
    if device is None:
        raise exceptions.NotFound("There is no device with this id.")
    return Response(DeviceShape(device, context={"request": request}).data)
