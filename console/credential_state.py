"""How a push credential is doing: what is held, and why."""

from __future__ import annotations

import datetime as dt
from typing import Any

from console import stops
from delivery import holds
from delivery.models import Credential


def credential_state(credential: Credential, *, now: dt.datetime) -> dict[str, Any]:
    """What its page tells beside its form."""
    held = [hold for hold in credential.holds.select_related("credential").order_by("origin") if hold.in_force(now)]
    return {
        "held": [(hold, *stops.words(hold)) for hold in held],
        "is_paused": any(hold.origin == holds.EVERYWHERE for hold in held),
    }
