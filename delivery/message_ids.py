"""What programs call a message: its number with its wave's first day, which finds the partition. No column of its own."""

from __future__ import annotations

import datetime as dt
import re

_FORM = re.compile(r"msg_([0-9a-f]{5,6})_([0-9a-f]{1,15})")


def public_id(message_id: int, wave_on: dt.date) -> str:
    return f"msg_{wave_on.toordinal():x}_{message_id:x}"


def read(text: str) -> tuple[int, dt.date] | None:
    """The number and day of a message, or None where the text names none."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    try:
        return int(found[2], 16), dt.date.fromordinal(int(found[1], 16))
    except (ValueError, OverflowError):
        return None
