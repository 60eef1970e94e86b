"""A gate's answer: small, frozen, and able to explain itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
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


class Verdict(msgspec.Struct, frozen=True):
    """`values` are what the gate compared, fit for JSON. `frees_at`: when a "no" would turn; `good_until`: when a
    "yes" would."""

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


@lru_cache(maxsize=8192)
def _passed(gate: str, good_until: dt.datetime | None, values: tuple[tuple[str, Any], ...]) -> Verdict:
    passed = Verdict(gate, True, values=dict(values), good_until=good_until)
    return msgspec.structs.replace(passed, kept=_encoded(passed))


def records(verdicts: Iterable[Verdict]) -> str:
    """The JSON that a message keeps of its verdicts: a list of Verdict.record()."""
    return f"[{','.join([one.kept or _encoded(one) for one in verdicts])}]"


def _encoded(verdict: Verdict) -> str:
    return msgspec.json.encode(verdict.record()).decode()
