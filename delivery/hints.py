"""How hints reach a worker: as a job of its queue, or by word of mouth, where it is at work or has just been.

A job costs both sides more than the message that it hints at. So the workers of transactional messages listen for a while
after their last one, and who is heard gives no job. The clock gives jobs alone: it asks nobody whether they live.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import django_rq
import redis
from django.conf import settings
from rq import Queue

log = logging.getLogger(__name__)
CONFIRM_SECONDS = 1.0


def queue_of(lane: str) -> Queue:
    """With its connections to Redis, which are kept: to make one costs more than the hint."""
    return _queue(lane, settings.RQ_QUEUES[lane]["URL"])


@cache
def _queue(lane: str, url: str) -> Queue:
    return django_rq.get_queue(lane)


def tell(lane: str) -> int:
    """Say that something is due. Returns how many workers hear it, each of which looks once more before it rests."""
    return int(queue_of(lane).connection.publish(_channel(lane), ""))


def _channel(lane: str) -> str:
    # What is said is heard in every database of a Redis; others may share it.
    database = queue_of(lane).connection.get_connection_kwargs().get("db") or 0
    return f"hints:{database}:{lane}"


class Ear:
    """What was said since `listening` began. Without Redis nothing is heard."""

    def __init__(self, said: Any) -> None:
        self._said = said

    def forget(self) -> None:
        """Whoever looks now need not be told what was said before."""
        while self.hears(0):
            pass

    def hears(self, seconds: float) -> bool:
        """Whether there is a hint, or comes one within so many seconds."""
        try:
            return self._said.get_message(timeout=seconds) is not None
        except redis.RedisError as problem:
            log.warning("no hint is heard: %s", type(problem).__name__)
            return False


@contextmanager
def listening(lane: str) -> Iterator[Ear]:
    """Hear hints for this lane. Who gave one before this ends counts on us: look once more after it."""
    client: Any = queue_of(lane).connection
    said = client.pubsub()
    try:
        said.subscribe(_channel(lane))
        said.get_message(timeout=CONFIRM_SECONDS)
        yield Ear(said)
        said.unsubscribe()
        while (last := said.get_message(timeout=CONFIRM_SECONDS)) and last["type"] != "unsubscribe":
            pass
    finally:
        said.close()
