"""Two processes at once: what lost is done again, and then finds what won."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg.errors
from django.db import DatabaseError

ATTEMPTS = 6
_LOST = (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected)

Result = TypeVar("Result")


def again_where_lost(work: Callable[[bool], Result]) -> Result:
    """Run `work(is_again)`, a transaction of its own, and again where another process wrote the same new row, or
    where both waited for each other. Six times at most; what still fails then is raised."""
    for attempt in range(ATTEMPTS):
        try:
            return work(attempt > 0)
        except DatabaseError as problem:
            if not isinstance(problem.__cause__, _LOST) or attempt == ATTEMPTS - 1:
                raise
            time.sleep(0.01 * attempt)
    raise AssertionError("unreachable")
