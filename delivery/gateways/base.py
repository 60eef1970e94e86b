"""What every gateway is: a batch of pushes in, an outcome for each out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

import msgspec


class Action(StrEnum):
    """What an answer means for us. The table that assigns them is outcomes.py."""

    SENT = "sent"
    DROP = "drop"  # the address is dead: quarantine the device
    RETRY = "retry"  # nothing arrived, or the gateway asks to come back
    DELAY = "delay"  # this one device asks to be left alone for a while
    SWITCH = "switch"  # the address may belong to the other environment: try there
    HOLD = "hold"  # the whole origin asks to be left alone for a while
    PAUSE = "pause"  # our configuration is refused: nothing more until someone looks
    RESUBSCRIBE = "resubscribe"  # this one subscription belongs to another key
    RENEW = "renew"  # our token is refused before its time: mint another, then once more
    FIX = "fix"  # this message is wrong: trying again changes nothing
    UNKNOWN = "unknown"  # it may have arrived
    NOT_BEGUN = "not_begun"  # we never tried


class Outcome(msgspec.Struct, frozen=True):
    """What a gateway made of one push. `wait` is in seconds, where the gateway or the table asks for a pause.

    `dead_since`: of a DROP, where the gateway says since when it knows: a device registered later than that is kept.
    `doubt`: what this answer leaves open until it is held beside others (doubts.py).
    """

    action: Action
    reason: str = ""
    status: str = ""
    detail: str = ""
    wait: float | None = None
    reference: str = ""
    ttl_granted: int | None = None
    dead_since: dt.datetime | None = None
    doubt: str = ""


class Letter(msgspec.Struct, frozen=True):
    """One push, ready to go: to which device, with what, and for how long it is good.

    `payload` is the content with push id, receipt token and preference link (payload.py); `options` are what only some
    platforms know, by platform: {"android": {…}, "ios": {…}}.
    """

    address: str
    payload: Mapping[str, Any]
    ttl_seconds: int
    p256dh: str = ""
    auth: str = ""
    sender_key: str = ""
    urgency: str = "normal"
    collapse: str = ""
    options: Mapping[str, Any] = {}
    registered_at: dt.datetime | None = None


class Gateway(Protocol):
    """Sends with one credential. Holds its connections and tokens for the life of its process."""

    def prepare(self, *, now: dt.datetime) -> None:
        """Called before each batch in the worker's own thread, where the database may be used: to renew a token."""
        ...

    def send(self, letters: Sequence[Letter], *, now: dt.datetime, until: float | None = None) -> list[Outcome]:
        """One outcome for each letter, in order; may run in any thread. `now` is the database's; `until` is a moment of
        time.monotonic() after which none may begin."""
        ...

    def origin(self, address: str) -> str:
        """What is held, paused or broken together with this address: a push service's origin, a project."""
        ...

    def try_out(self, *, now: dt.datetime) -> Outcome | None:
        """Ask the gateway whether it takes our credential, without anybody being told anything: the outcome of a push to
        an address that does not exist. None where a gateway has no such thing. The database may be used, but no
        transaction is open while the gateway answers."""
        ...
