"""A gate's answer: small, frozen, and able to explain itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Effect(StrEnum):
    """What a "no" does with the message."""

    HOLD_BACK = "suppressed"
    EXPIRE = "expired"
    DEFER = "queued"
    HOLD_OUT = "held_out"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`values` are what the gate compared, fit for JSON. `frees_at`: when a "no" would turn; `good_until`: when a
    "yes" would."""

    gate: str
    allowed: bool
    reason: str = ""
    effect: Effect | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    frees_at: dt.datetime | None = None
    good_until: dt.datetime | None = None

    @staticmethod
    def yes(gate: str, *, good_until: dt.datetime | None = None, **values: Any) -> Verdict:
        return Verdict(gate, True, values=values, good_until=good_until)

    @staticmethod
    def no(
        gate: str,
        reason: str,
        *,
        effect: Effect = Effect.HOLD_BACK,
        frees_at: dt.datetime | None = None,
        **values: Any,
    ) -> Verdict:
        return Verdict(gate, False, reason, effect, values, frees_at)

    def record(self) -> dict[str, Any]:
        """As it is kept with the message."""
        kept: dict[str, Any] = {"gate": self.gate, "allowed": self.allowed}
        if self.reason:
            kept["reason"] = self.reason
        if self.values:
            kept["values"] = dict(self.values)
        if self.frees_at:
            kept["frees_at"] = self.frees_at.isoformat()
        return kept
