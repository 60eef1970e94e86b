"""What the gates compare: plain values about one profile and one message, fetched for a whole batch at once."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from audiences.models import Device, Permission
from delivery.models import Cap, SendingRules, Wave

THROTTLED = "throttled_by_us"
"""The reason of a message whose credential has no turn left for it."""
LIVE = {Permission.GRANTED, Permission.PROVISIONAL}


class DeviceFacts(msgspec.Struct):
    """One device of the profile. `dead`: why its address is, or nothing; `registered_at`: since when its address is
    known; `credential_id`: what it is pushed to with."""

    id: int
    gateway: str
    address: str
    p256dh: str
    auth: str
    sender_key: str
    permission: str
    dead: str
    detached: bool
    needs_resubscribe: bool
    app: str
    environment: str
    registered_at: dt.datetime
    context: dict[str, Any]
    credential_id: int | None = None

    @classmethod
    def of(cls, device: Device) -> DeviceFacts:
        """What is known of one device, for pages that say why it is not pushed to. Routes fill in the credential."""
        return cls(
            id=device.pk,
            gateway=device.gateway,
            address=device.address,
            p256dh=device.p256dh,
            auth=device.auth,
            sender_key=device.sender_key,
            permission=device.permission,
            dead=(device.quarantine_reason or "dead") if device.quarantined_at else "",
            detached=device.detached_at is not None,
            needs_resubscribe=device.needs_resubscribe_at is not None,
            app=device.app,
            environment=device.environment,
            registered_at=device.registered_at,
            context={},
        )

    @property
    def why_not_live(self) -> str:
        """The reason code for which this device cannot be pushed to, or nothing."""
        if self.detached:
            return "logged_out"
        if self.dead:
            return "address_stale" if self.dead == "stale" else "address_dead"
        if self.needs_resubscribe:
            return "needs_resubscribe"
        if self.permission not in LIVE:
            return "no_permission"
        return "" if self.credential_id else "credential_missing"


class ChoiceFacts(msgspec.Struct, frozen=True):
    """The explicit decision for one topic (or all), and the mark that its latest opt-out left."""

    decision: str
    out_epoch: int | None
    out_at: dt.datetime | None


class Intent(msgspec.Struct, frozen=True):
    """One message that this profile got, or may have got: when, in which topic and class."""

    at: dt.datetime
    topic_id: int | None
    message_class: str


class EarlierPush(msgspec.Struct, frozen=True):
    """A push that this message's send key already has on a device."""

    id: Any
    message_id: int
    state: str
    attempt: int
    due_at: dt.datetime | None
    intent_at: dt.datetime
    reason: str


class Facts(msgspec.Struct):
    """Everything that is known of one message's profile. `profile_id` is the survivor of any merge. `is_reassigned`: it
    has no live device, and one that it had is somebody else's now. `reason`: why it has waited until now, if it has."""

    message_id: int
    profile_id: int
    drawn_id: int
    arm: str
    due_at: dt.datetime
    planned_at: dt.datetime
    planned_epoch: int
    fence: int
    had_intent: bool
    wave: Wave
    rules: SendingRules
    caps: tuple[Cap, ...]
    exists: bool = True
    erased: bool = False
    epoch: int = 0
    zone: str = ""
    devices: list[DeviceFacts] = []
    is_reassigned: bool = False
    choices: dict[int | None, ChoiceFacts] = {}
    intents: list[Intent] = []
    earlier: dict[int, EarlierPush] = {}
    data: Any = None
    occurrence: int = 0
    own_end: dt.datetime | None = None
    reason: str = ""

    @property
    def expires_at(self) -> dt.datetime:
        """The message's own end, or its wave's."""
        return min(self.own_end, self.wave.expires_at) if self.own_end else self.wave.expires_at

    @property
    def settled(self) -> list[str]:
        """The states of this message's pushes that an earlier attempt finished."""
        mine = (push for push in self.earlier.values() if push.message_id == self.message_id)
        return [push.state for push in mine if push.state != "retry"]

    @property
    def send_key(self) -> str:
        """What a device is served at most once for: the wave, or one occurrence in it."""
        return f"w{self.wave.pk}-{self.occurrence}" if self.occurrence else f"w{self.wave.pk}"

    @property
    def is_merged(self) -> bool:
        return self.profile_id != self.drawn_id

    @property
    def is_transactional(self) -> bool:
        return self.wave.message_class == "transactional"
