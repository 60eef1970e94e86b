"""Which credential a device is pushed to with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from audiences import statements
from delivery.gates.facts import DeviceFacts
from delivery.models import Credential


@dataclass(frozen=True, slots=True)
class Routes:
    """The credentials in use, newest first."""

    credentials: tuple[Credential, ...] = ()
    by_id: Mapping[int, Credential] = field(default_factory=dict)

    @classmethod
    def current(cls) -> Routes:
        """What is in use now. One query."""
        credentials = tuple(statements.objects(Credential, "retired_at IS NULL ORDER BY id DESC"))
        return cls(credentials, {credential.pk: credential for credential in credentials})

    def serve(self, devices: Iterable[DeviceFacts]) -> None:
        """Fill in each device's credential."""
        chosen: dict[tuple[str, str, str, str], int | None] = {}
        for device in devices:
            key = (device.gateway, device.sender_key, device.app, device.environment)
            if key not in chosen:
                chosen[key] = self.choose(*key)
            device.credential_id = chosen[key]

    def choose(self, gateway: str, sender_key: str, app: str, environment: str) -> int | None:
        """Web push: the key that the browser subscribed with, else the newest, which says whether it may. Apps: their
        own credential before one for every app, in their own environment (production unless they said otherwise)."""
        mine = [one for one in self.credentials if one.gateway == gateway]
        if gateway == "webpush":
            same = [one for one in mine if one.public_key == sender_key]
            return next((one.pk for one in same or mine), None)
        fitting = [
            one
            for one in mine
            if (not app or one.app in ("", app))
            and (not one.environment or one.environment == (environment or "production"))
        ]
        fitting.sort(key=lambda one: one.app != app)
        return fitting[0].pk if fitting else None
