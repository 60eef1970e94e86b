"""Named stops in the worker, for the race tests: deterministic instead of slept for. Off unless HEED_CHECKPOINTS."""

from __future__ import annotations

from django.conf import settings
from django.db import connection

NAMES = ("after_claim", "before_intent", "after_intent", "after_post")


def key(name: str) -> int:
    """The number of the advisory lock that a test holds to stop every worker at this point."""
    return 7_400_000 + NAMES.index(name)


def checkpoint(name: str) -> None:
    """Wait here while somebody holds this point's lock."""
    if settings.HEED_CHECKPOINTS:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock_shared(%s)", [key(name)])
            cursor.execute("SELECT pg_advisory_unlock_shared(%s)", [key(name)])
