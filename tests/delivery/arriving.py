"""Browsers and phones of the scripted gateways that register as real ones do."""

from __future__ import annotations

import datetime as dt
from typing import Any

from audiences.arrivals import Arrival, ConsentSaid, DeviceSaid, Keys
from audiences.models import Device, Profile
from audiences.registration import arrive
from tests import make

WORDS = ConsentSaid(text="May we?", version="1", source="soft prompt")


class Browser:
    """One browser at the scripted push service. Whoever is signed in with it is `who`, or nobody yet."""

    def __init__(self, service: Any, number: int = 0, *, key: str = "browser") -> None:
        self.key = key
        self.source = make.source("browser", requires_proof=False)
        self.subscribe(service, number)

    def subscribe(self, service: Any, number: int) -> None:
        """A new subscription: another address with other keys."""
        (self.subscription,) = service.subscribe(1, first=number)

    def arrive(self, who: str = "", *, asked: bool = False, previous: str = "", **device: Any) -> Device:
        """Register, for this user or for this browser's visitor; `asked`: the person has just been asked."""
        one = self.subscription
        said = {"address": one.endpoint, "keys": Keys(p256dh=one.p256dh, auth=one.auth), **device}
        arrival = Arrival(
            device=DeviceSaid(id=self.key, **said),
            user_id=who or None,
            anonymous_id=None if who else f"visitor of {self.key}",
            previous_address=previous or None,
            consent=WORDS if asked else None,
        )
        (found,) = arrive([arrival], source=self.source, now=dt.datetime.now(dt.UTC))
        assert found is not None
        return found

    def person(self, who: str) -> Profile:
        """This user, signed in here."""
        return self.arrive(who).profile
