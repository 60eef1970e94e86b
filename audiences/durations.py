"""Lengths of time as people say them: a number and a unit."""

from __future__ import annotations

import datetime as dt

UNITS = {
    "day": dt.timedelta(days=1),
    "hour": dt.timedelta(hours=1),
    "minute": dt.timedelta(minutes=1),
    "second": dt.timedelta(seconds=1),
}


def parts(length: dt.timedelta) -> tuple[int, str]:
    """(number, unit): in the largest unit that it is a whole number of, such as (7, "day")."""
    unit = next((name for name, one in UNITS.items() if length and length % one == dt.timedelta()), "hour")
    return length // UNITS[unit], unit


def in_words(length: dt.timedelta) -> str:
    """“7 days”, “36 hours”, “1 day”."""
    number, unit = parts(length)
    return f"{number:,} {unit}{'' if number == 1 else 's'}"
