"""What runs when: the table of contents of background work.

One clock ticks for the whole site, under an advisory lock; a second one waits to take over. Schedules are rows with a
time; a tick only asks the database what is due, so a tick that is missed or run twice changes nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis
from django.conf import settings
from django.db import Error, close_old_connections, connection
from django.utils.module_loading import import_string

from console.heartbeat import beat

log = logging.getLogger(__name__)
LOCK = 7_200_001
SHORTEST = 0.5


@dataclass(frozen=True, slots=True)
class Tick:
    """A task and how often it runs, in seconds."""

    task: str
    every: float

    @property
    def seconds(self) -> float:
        """How often it runs here: drills run faster."""
        return max(self.every * settings.HEED_TIME_SCALE, min(self.every, SHORTEST))


TICKS = (
    Tick("campaigns.tasks.open_due", 1),
    Tick("delivery.tasks.wake", 1),
    Tick("delivery.tasks.hint_due", 1),
    Tick("delivery.tasks.fold_tallies", 2),
    Tick("delivery.tasks.sweep", 5),
    Tick("campaigns.tasks.close_finished", 5),
    Tick("audiences.tasks.analyze_new_partitions", 5),
    Tick("console.clock.say_alive", 15),
    Tick("console.clock.clean_queues", 60),
    Tick("audiences.tasks.forget_calls", 60),
    Tick("delivery.tasks.forget_receipts", 60),
    Tick("delivery.tasks.close_days", 600),
    Tick("audiences.tasks.forget_dead_addresses", 3600),
    Tick("console.tasks.hint_webhooks", 1),
    Tick("console.tasks.hint_rollups", 5),
    Tick("console.tasks.forget_answers", 600),
    Tick("console.tasks.forget_deliveries", 600),
    Tick("audiences.tasks.make_partitions", 3600),
    Tick("audiences.tasks.expire_unseen_devices", 3600),
    Tick("delivery.tasks.forget_throttles", 3600),
)


def run(stopping: threading.Event) -> None:
    """Tick until told to stop. No failure of a task, of Redis or of PostgreSQL ends the clock, or keeps other tasks back."""
    tasks: dict[str, Callable[[], object]] = {tick.task: import_string(tick.task) for tick in TICKS}
    due = dict.fromkeys(tasks, 0.0)
    while not stopping.is_set():
        try:
            if _holds_lock():
                for tick in TICKS:
                    if time.monotonic() >= due[tick.task] and not stopping.is_set():
                        due[tick.task] = time.monotonic() + tick.seconds
                        _run_one(tick.task, tasks[tick.task])
        except Error as problem:
            log.warning("the database is away: %s", type(problem).__name__)
            connection.close()
            stopping.wait(1)
        stopping.wait(0.2)


def _run_one(name: str, task: Callable[[], object]) -> None:
    try:
        task()
    except redis.RedisError as problem:
        log.warning("%s: Redis is away: %s", name, type(problem).__name__)
    except Exception as problem:
        if isinstance(problem, Error) and not connection.is_usable():
            raise  # the lock is gone with the connection
        # One broken task must not stop the others: it is told, and tried again at its next turn.
        log.exception("%s failed", name)


def _holds_lock() -> bool:
    """The lock belongs to the connection, on which the tasks run too: it is free again as soon as its holder is gone.

    PostgreSQL ends the connection of a holder that is silent for a lease, frozen or cut off: another clock takes over,
    and the one that wakes finds that it has lost its lock before it can do anything.
    """
    close_old_connections()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND pid = pg_backend_pid()",
            [LOCK],
        )
        if cursor.fetchone()[0]:
            return True
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return False
        silence = f"{settings.HEED_LEASE_SECONDS:.0f}s"
        for name in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute("SELECT set_config(%s, %s, false)", [name, silence])
        return True


def say_alive() -> None:
    beat("clock")


def clean_queues() -> None:
    """Jobs of killed workers leave RQ's books now, not in ten minutes."""
    import django_rq

    for name in settings.RQ_QUEUES:
        queue = django_rq.get_queue(name)
        queue.started_job_registry.cleanup()
        queue.failed_job_registry.cleanup()
