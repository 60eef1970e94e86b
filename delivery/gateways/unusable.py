"""What stands in for a gateway whose credential cannot be opened: every push waits, and says why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from delivery.gateways.base import Action, Letter, Outcome


class Unusable:
    def __init__(self, why: str) -> None:
        self._outcome = Outcome(Action.PAUSE, "credential_unusable", detail=why)

    def prepare(self, *, now: dt.datetime) -> None:
        """There is nothing to prepare."""

    def send(self, letters: Sequence[Letter], *, now: dt.datetime, until: float | None = None) -> list[Outcome]:
        return [self._outcome] * len(letters)

    def origin(self, address: str) -> str:
        return "this credential"

    def try_out(self, *, now: dt.datetime) -> Outcome:
        return self._outcome
