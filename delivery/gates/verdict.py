"""A gate's answer: small, frozen, and able to explain itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec


class Effect(StrEnum):
    """What a "no" does with the message."""

    HOLD_BACK = "suppressed"
    EXPIRE = "expired"
    DEFER = "queued"
    HOLD_OUT = "held_out"


class Verdict(msgspec.Struct, frozen=True, eq=False):
    """`values` are what the gate compared, fit for JSON. `frees_at`: when a "no" would turn; `good_until`: when a
    "yes" would. Equal only to itself: who is judged alike has the same verdicts."""

    gate: str
    allowed: bool
    reason: str = ""
    effect: Effect | None = None
    values: Mapping[str, Any] = {}
    frees_at: dt.datetime | None = None
    good_until: dt.datetime | None = None
    kept: str = ""

    @staticmethod
    def yes(gate: str, *, good_until: dt.datetime | None = None, **values: Any) -> Verdict:
        """Most profiles of a batch pass a gate with the same values: they share the verdict."""
        return _passed(gate, good_until, tuple(values.items()) if values else ())

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


Verdicts = tuple[Verdict, ...]
"""On one message, in the order of the gates."""


@lru_cache(maxsize=8192)
def _passed(gate: str, good_until: dt.datetime | None, values: tuple[tuple[str, Any], ...]) -> Verdict:
    passed = Verdict(gate, True, values=dict(values), good_until=good_until)
    return msgspec.structs.replace(passed, kept=_encoded(passed))


@lru_cache(maxsize=2048)
def records(verdicts: Verdicts) -> str:
    """The JSON that a message keeps of its verdicts: a list of Verdict.record()."""
    return f"[{','.join([one.kept or _encoded(one) for one in verdicts])}]"


@lru_cache(maxsize=2048)
def good_until(verdicts: Verdicts) -> dt.datetime | None:
    """Until when all these "yes" stand, where that is known."""
    return min([one.good_until for one in verdicts if one.good_until], default=None)


def _encoded(verdict: Verdict) -> str:
    return msgspec.json.encode(verdict.record()).decode()
