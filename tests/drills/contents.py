"""A content source whose messages do what their profile's attribute `does` says: most are ordinary, a few are poison."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

from audiences.models import Profile
from delivery.content import Rendered, Rendering, register
from delivery.models import Wave

STRANGE: dict[str, Any] = {
    "surrogate": {"title": "half a character: \ud800"},
    "nul": {"title": "a NUL: \0"},
    "nan": {"title": "not a number", "data": {"price": float("nan")}},
    "large": {"title": "x" * 1_000_000},
}


class Poison:
    def render(self, wave: Wave, batch: Sequence[Rendering], *, now: Any) -> list[Rendered]:
        does = dict(
            Profile.objects.filter(pk__in=[one.profile_id for one in batch]).values_list("pk", "attributes__does")
        )
        return [self._one(one, does[one.profile_id] or "") for one in batch]

    def _one(self, one: Rendering, does: str) -> Rendered:
        if does == "kills":
            os.kill(os.getpid(), signal.SIGKILL)
        if does == "raises":
            raise ZeroDivisionError("a template divides by zero")
        return Rendered({"title": "Hello", "body": f"for {one.profile_id}", **STRANGE.get(does, {})}, 3600)


register("poison", Poison())
