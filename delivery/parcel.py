"""A message that passed its gates: its devices, its content, and what becomes of each push."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping

import msgspec

from delivery.content import Rendered
from delivery.gates.facts import DeviceFacts, EarlierPush, Facts
from delivery.gates.verdict import Verdicts
from delivery.gateways.base import Letter, Outcome


class Sending(msgspec.Struct):
    """One push under way. `earlier`: what its last attempt left, where this is not the first."""

    id: str
    device: DeviceFacts
    credential_id: int
    attempt: int
    letter: Letter
    expires_at: dt.datetime
    outcome: Outcome | None = None
    due_at: dt.datetime | None = None
    earlier: EarlierPush | None = None

    @property
    def state(self) -> str:
        return PUSH_STATES[self.outcome.action] if self.outcome else "sending"

    @property
    def reason(self) -> str:
        return self.outcome.reason if self.outcome else ""


PUSH_STATES: Mapping[str, str] = {
    "sent": "sent",
    "drop": "dropped",
    "retry": "retry",
    "delay": "retry",
    "switch": "retry",
    "hold": "retry",
    "pause": "retry",
    "resubscribe": "dropped",
    "fix": "rejected",
    "unknown": "unknown",
    "not_begun": "retry",
}
# The best of its pushes is what became of a message; one that is still to be tried keeps it open.
BEST = ("sent", "unknown", "rejected", "dropped")


Wait = tuple[dt.datetime, str]
"""Until when devices of a message are left out for now, and the reason code."""


class Parcel(msgspec.Struct):
    """One message to be pushed. `settled` are the states of pushes that an earlier attempt finished; `waits` says until
    when some of its devices are left out, if any are."""

    facts: Facts
    verdicts: Verdicts
    rendered: Rendered
    sendings: list[Sending]
    good_until: dt.datetime
    settled: list[str] = []
    waits: Wait | None = None

    def put_off(self, sendings: Collection[Sending], until: dt.datetime, reason: str) -> None:
        """Leave these pushes out until then."""
        left_out = {one.id for one in sendings}
        self.sendings = [one for one in self.sendings if one.id not in left_out]
        if self.waits is None or until < self.waits[0]:
            self.waits = (until, reason)

    def result(self) -> tuple[str, str, dt.datetime | None]:
        """(state, reason, due_at) of the message now."""
        states = [one.state for one in self.sendings]
        waits = [self.waits] if self.waits else []
        if "retry" in states:
            waits += [(one.due_at, one.reason) for one in self.sendings if one.state == "retry" and one.due_at]
        if waits:
            due, reason = min(waits)
            return "queued", reason, due
        state = next(best for best in BEST if best in states or best in self.settled)
        return state, next((one.reason for one in self.sendings if one.state == state), ""), None
