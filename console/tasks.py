"""What the clock and workers run for the surfaces: one call each."""

from __future__ import annotations

from django.utils import timezone

from console.api import idempotency


def forget_answers() -> None:
    """Answers to repeatable posts that are older than 30 days."""
    idempotency.drop_old(now=timezone.now())
