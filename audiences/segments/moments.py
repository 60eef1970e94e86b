"""Dates as text, read alike in Python and in SQL (function audiences_moment): ISO 8601, UTC where no offset is given."""

from __future__ import annotations

import datetime as dt
import re

# The same text stands in the migration that makes audiences_moment.
PATTERN = (
    r"^[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"([T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?(Z|[+-](0\d|1[0-4]):[0-5]\d)?)?$"
)
_PATTERN = re.compile(PATTERN.replace(r"\d", "[0-9]").replace("$", r"\Z"))


def moment(text: str) -> dt.datetime | None:
    """The moment that a text means, or None where it means none (the 31st of February)."""
    if not _PATTERN.match(text):
        return None
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
