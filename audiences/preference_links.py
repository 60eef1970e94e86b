"""The signed link that each push carries: a person's way to their choices, without login and without a row a push.

Token: `<profile, base36>.<day issued, base36>.<key id>.<mac>`. Editing works for 30 days, opting out for ever.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings

from audiences.signing import is_signed, sign

EDIT_DAYS = 30
PURPOSE = "preferences"


@dataclass(frozen=True, slots=True)
class Link:
    """What a genuine token says."""

    profile_id: int
    may_edit: bool


def token(profile_id: int, *, now: dt.datetime) -> str:
    said = f"{_base36(profile_id)}.{_day(now.date())}"
    return f"{said}.{sign(PURPOSE, said)}"


def link(profile_id: int, *, now: dt.datetime) -> str:
    """The absolute address of the profile's preference page."""
    return f"{settings.HEED_BASE_URL}/p/{token(profile_id, now=now)}"


def read(text: str, *, now: dt.datetime) -> Link | None:
    """What the token allows now, or None where it is not one of ours. Takes the same time either way."""
    profile, _, rest = text.partition(".")
    day, _, mac = rest.partition(".")
    if len(text) > 120 or not is_signed(PURPOSE, f"{profile}.{day}", mac):
        return None
    age = now.date().toordinal() - int(day, 36)
    return Link(profile_id=int(profile, 36), may_edit=age <= EDIT_DAYS)


@lru_cache(maxsize=8)
def _day(day: dt.date) -> str:
    return _base36(day.toordinal())


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"
