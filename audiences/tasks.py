"""What the clock runs for this package: it reads the time, and calls once."""

from __future__ import annotations

from audiences import feedback, upkeep
from audiences.database_clock import database_now


def forget_calls() -> None:
    upkeep.drop_seen_calls(now=database_now())


def forget_dead_addresses() -> None:
    upkeep.forget_dead_addresses(now=database_now())


def make_partitions() -> None:
    upkeep.make_partitions(now=database_now())


def analyze_new_partitions() -> None:
    upkeep.analyze_new_partitions()


def expire_unseen_devices() -> None:
    feedback.expire_unseen(now=database_now())
