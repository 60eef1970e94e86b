"""What the clock runs for this package: it reads the time, and calls once."""

from __future__ import annotations

from django.utils import timezone

from audiences import feedback, upkeep


def forget_calls() -> None:
    upkeep.drop_seen_calls(now=timezone.now())


def forget_dead_addresses() -> None:
    upkeep.forget_dead_addresses(now=timezone.now())


def make_partitions() -> None:
    upkeep.make_partitions(now=timezone.now())


def expire_unseen_devices() -> None:
    feedback.expire_unseen(now=timezone.now())
