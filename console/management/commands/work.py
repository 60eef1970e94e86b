"""A long-living worker: one process, one queue, warm connections to the gateways. `manage.py up` keeps several."""

from __future__ import annotations

import logging
import os
import threading
import time
from argparse import ArgumentParser
from typing import Any

import django_rq
import redis
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections, connection
from rq.serializers import JSONSerializer
from rq.timeouts import UnixSignalDeathPenalty
from rq.worker import SimpleWorker

from console.heartbeat import beat
from console.parent import die_with_parent
from delivery import tasks
from delivery.lanes import Lane

log = logging.getLogger(__name__)
BEAT_SECONDS = 15
PAUSE_SECONDS = 1.0
YIELDING = 5


class EndOfTime(UnixSignalDeathPenalty):
    """A job that runs for too long takes its worker with it, which is started anew.

    An exception at any point, as RQ has it, may be swallowed there, or leave a connection in the middle of a request.
    """

    def handle_death_penalty(self, signum: int, frame: Any) -> None:
        log.error("a job ran for more than %s s: this worker ends", self._timeout)
        os._exit(1)


class DeliveryWorker(SimpleWorker):
    """SimpleWorker keeps its process, so that connections last; a job never inherits a broken database connection."""

    max_connection_wait_time = 2.0
    death_penalty_class = EndOfTime

    def perform_job(self, *args: Any, **kwargs: Any) -> bool:
        close_old_connections()
        try:
            return bool(super().perform_job(*args, **kwargs))
        finally:
            close_old_connections()

    def request_stop(self, signum: Any, frame: Any) -> None:
        tasks.stopping.set()
        super().request_stop(signum, frame)


class Command(BaseCommand):
    help = (
        "Sends what is due (deliver), or transactional messages alone (deliver-now), or does work that may be slow, such as "
        "telling webhooks (background). Runs until it is told to stop; survives restarts of Redis and PostgreSQL."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queue", nargs="?", choices=list(settings.RQ_QUEUES), default=Lane.ORDINARY)

    def handle(self, *, queue: str = Lane.ORDINARY, **options: Any) -> None:
        # Whoever watches over us dies: so do we (and tasks checks the parent between micro-batches).
        die_with_parent()
        if queue == Lane.ORDINARY and settings.HEED_TRANSACTIONAL_WORKERS:
            # Where the cores are too few, what is urgent and the site itself come before a broadcast.
            os.nice(YIELDING)
        threading.Thread(target=_beat, args=(queue,), daemon=True).start()
        while not tasks.stopping.is_set():
            try:
                one = django_rq.get_queue(queue)
                worker = DeliveryWorker([one], connection=one.connection, serializer=JSONSerializer)
                worker.work(with_scheduler=False, logging_level="WARNING")
                return  # it was told to stop
            except (redis.RedisError, DatabaseError, ConnectionError) as problem:
                self.stderr.write(f"waiting: {type(problem).__name__}")
                time.sleep(PAUSE_SECONDS)


def _beat(queue: str) -> None:
    """Say that this worker lives, from a thread and over a connection of its own."""
    kind = "worker" if queue in set(Lane) else queue
    name = f"{kind}:{os.uname().nodename}:{os.getpid()}"
    while True:
        try:
            beat(name)
        except DatabaseError:
            connection.close()
        time.sleep(BEAT_SECONDS)
