"""What workers and the clock run. A job is only a hint: it holds no recipient and no content."""

from __future__ import annotations

import logging
import os
import threading
import time

import redis
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from audiences.database_clock import database_now
from delivery import hints, lanes, outbox, receipts, submission, sweeper, tally, throttle, waiting
from delivery.dispatch import LostSupervisor, drain_batch
from delivery.lanes import Lane
from delivery.sender import NoCredential, Sender, build_sender

log = logging.getLogger(__name__)
SECONDS = 50
TURN_SECONDS = 1.0
LOOK_SECONDS = 0.1
LISTEN_SECONDS = 1.0
FIRST_WAIT, MOST_WAIT = 0.2, 5.0
_sender: Sender | None = None
_parent = os.getppid()
stopping = threading.Event()
"""Set when this process was asked to stop: it ends after the current micro-batch, and gives back what it claimed."""


def sender() -> Sender:
    """This process's sender, built at the first job."""
    global _sender
    if _sender is None:
        _sender = build_sender()
        _sender.is_orphan = lambda: os.getppid() != _parent
        _sender.is_stopping = stopping.is_set
    return _sender


def drain(lane: str = Lane.ORDINARY) -> int:
    """Send what is due, for at most 50 s; then another hint goes on. Returns how many messages were decided."""
    ends = time.monotonic() + SECONDS
    count = 0
    try:
        if lane == Lane.NOW:
            count += _drain_and_listen(ends)
        count += _drain(Lane(lane), ends)
    except NoCredential as missing:
        log.warning("nothing can be sent: %s", missing)
    except LostSupervisor:
        log.warning("the supervisor is gone: this worker stops")
        os._exit(0)
    return count


def _drain_and_listen(ends: float) -> int:
    """What is urgent, and what becomes urgent within a second of the last of it."""
    count = 0
    try:
        with hints.listening(Lane.NOW) as ear:
            while True:
                ear.forget()
                count += _drain(Lane.NOW, ends)
                if time.monotonic() > ends or stopping.is_set() or not ear.hears(LISTEN_SECONDS):
                    break
    except redis.RedisError as problem:
        log.warning("no hint is heard: %s", type(problem).__name__)
    if time.monotonic() > ends:
        hint(Lane.NOW)
    return count


def _drain(lane: Lane, ends: float) -> int:
    """Send what is due until there is nothing left."""
    count = 0
    while time.monotonic() < ends and not stopping.is_set():
        try:
            done = drain_batch(sender(), lane=lane)
            is_empty = not done and not _waits_for_turns()
        except (OperationalError, InterfaceError) as problem:
            log.warning("the database is in trouble: %s: %s", type(problem).__name__, str(problem).partition("\n")[0])
            _await_database(until=ends)
            continue
        count += done
        if is_empty:
            break
    return count


def _await_database(*, until: float) -> None:
    """Connect anew, patiently, and give back what this worker had claimed: nobody need wait for its lease to end."""
    wait = FIRST_WAIT
    while time.monotonic() < until and not stopping.wait(wait):
        connection.close()
        try:
            if _sender is None:
                connection.ensure_connection()
            else:
                outbox.release_all(owner=_sender.owner)
            return
        except (OperationalError, InterfaceError):
            wait = min(wait * 2, MOST_WAIT)


def _waits_for_turns() -> bool:
    """Wait a moment for a wave that has used up its turns, where that is sooner than the next hint."""
    wait = lanes.next_turn()
    if wait is None or wait > TURN_SECONDS:
        return False
    stopping.wait(min(max(wait, 0), LOOK_SECONDS))
    return True


def hint_due(*known: Lane) -> int:
    """Wake workers while something is due: as many hints as a lane has workers, never more. Returns how many. `known`:
    the lanes that have something due, where the caller knows; nobody is asked then, and who hears of it needs no job."""
    workers = {Lane.NOW: settings.HEED_TRANSACTIONAL_WORKERS, Lane.ORDINARY: max(settings.HEED_WORKERS, 1)}
    given = 0
    for lane, count in workers.items():
        if not count or not (lane in known if known else lanes.is_due(lane)):
            continue
        count -= hints.tell(lane) if known else 0
        queue = hints.queue_of(lane)
        for _ in range(count - queue.count if count > 0 else 0):
            queue.enqueue(drain, lane, result_ttl=0, failure_ttl=7 * 86_400)
            given += 1
    return given


def hint(*known: Lane) -> None:
    """After a plan: wake workers at once. Where Redis is away the clock does it within a second of its return."""
    try:
        hint_due(*known)
    except redis.RedisError as problem:
        log.warning("no hint was given: %s", type(problem).__name__)


def sweep() -> None:
    swept = sweeper.sweep()
    if swept.requeued or swept.unknown or swept.poisoned:
        log.warning("a worker was lost: %s", swept)


def fold_tallies() -> None:
    """Few rows of many, so that following a send costs the same however long it takes."""
    tally.fold()


def hurry() -> None:
    """A limit a minute was changed: who waits for a turn gets one by the new limit."""
    while throttle.hurry() and not stopping.is_set():
        pass


def forget_throttles() -> None:
    """Limits of waves that are long over."""
    throttle.forget(now=database_now())


def close_days() -> None:
    """The days of the send API that are over."""
    submission.close_days(now=database_now())


def forget_receipts() -> None:
    """The log of receipts that is old; what each push knows of itself stays."""
    receipts.drop_old(now=database_now())


def wake() -> None:
    """What waited for a push service that is free again."""
    waiting.wake(now=database_now())
