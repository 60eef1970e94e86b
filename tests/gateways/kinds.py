"""How a contract test meets each gateway: which scripted service plays it, and what an ordinary push to it is.

A new gateway is entered here; `BUILDERS` and this must name the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from delivery.gateways.base import Letter
from delivery.models import Credential
from tests import make
from tests.delivery.letters import letter
from tests.gateways.apns import ApnsService
from tests.gateways.fcm import FcmService
from tests.gateways.scripted import Running


@dataclass(frozen=True)
class Kind:
    """`service`: the fixture; `token`: the script's name for device n; `data`: what the app finds of what was sent."""

    service: str
    credential: Callable[[], Credential]
    token: Callable[[int], str]
    letter: Callable[[Running, int], dict[str, Any]]
    data: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    accepted: str = "200"
    bad_address: str = ""

    def to(self, service: Running, number: int, **values: Any) -> Letter:
        """A push to device n of this service."""
        return letter(**{**self.letter(service, number), **values})


def _subscription(service: Any, number: int) -> dict[str, Any]:
    (one,) = service.subscribe(1, first=number)
    return {"address": one.endpoint, "p256dh": one.p256dh, "auth": one.auth}


KINDS = {
    "webpush": Kind(
        service="push_service",
        credential=make.credential,
        token=lambda number: f"{number}-device",
        letter=_subscription,
        data=lambda payload: payload,
        accepted="201",
        bad_address="https://evil.example/x",
    ),
    "fcm": Kind(
        service="fcm_service",
        credential=make.fcm_credential,
        token=FcmService.token,
        letter=lambda _, number: {"address": FcmService.token(number)},
        data=lambda payload: payload["data"],
    ),
    "apns": Kind(
        service="apns_service",
        credential=make.apns_credential,
        token=ApnsService.token,
        letter=lambda _, number: {"address": ApnsService.token(number)},
        data=lambda payload: payload,
        bad_address="../../evil",
    ),
}
