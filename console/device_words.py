"""Why a device is not pushed to, and what it would take, in words."""

from __future__ import annotations

from collections.abc import Iterable

from audiences.models import Device, Permission
from delivery.gates.facts import DeviceFacts
from delivery.routes import Routes

WHY = {
    "logged_out": "Nobody is signed in on it",
    "no_permission": "It does not allow notifications",
    "needs_resubscribe": "It subscribed with a key that is not yours any more",
    "address_stale": "Its app was not opened for 270 days",
    "address_dead": "Its address is dead",
    "credential_missing": "There is no push credential for its app",
}
"""Reason code of the gate “device” → why this one device is not pushed to."""

SUPERSEDED = "Nothing: the device goes on under another address."
TAKES = {
    "logged_out": "Somebody signs in on it.",
    "no_permission": "Its settings allow notifications again; it then says so by itself.",
    "needs_resubscribe": "The person opens your site once: it subscribes again with your new key.",
    "address_stale": "The person opens the app once.",
    "address_dead": "The person opens the app or your site: it then registers a new address.",
    "credential_missing": "You add a push credential for its app.",
}
"""Reason code of the gate “device” → what would make the device reachable."""


def reasons_of(devices: Iterable[Device]) -> dict[int, str]:
    """Device id → the gate's reason not to push to it, or nothing. One query."""
    facts = [DeviceFacts.of(device) for device in devices]
    Routes.current().serve(facts)
    return {one.id: one.why_not_live for one in facts}


def what_it_takes(device: Device, reason: str) -> str:
    """What would have to change for this device to be pushed to, or nothing."""
    if device.quarantine_reason == "superseded" and device.quarantined_at:
        return SUPERSEDED
    if reason == "no_permission" and device.permission == Permission.NOT_ASKED:
        return "The person is asked, and says yes."
    return TAKES.get(reason, "")
