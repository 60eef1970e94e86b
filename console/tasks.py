"""What the clock and workers run for the surfaces: one call each."""

from __future__ import annotations

import logging
import time
from functools import cache

import django_rq
import redis

from audiences.database_clock import database_now
from campaigns.results import rollups
from campaigns.tasks import count_large
from console.api import idempotency
from console.webhooks import gathering, sending
from delivery.http import Client
from delivery.tasks import hurry, stopping

log = logging.getLogger(__name__)

BACKGROUND = "background"
"""The queue of work that may be slow, with workers of its own: nothing that is sent to people waits for it."""
SECONDS = 50


def forget_answers() -> None:
    """Answers to repeatable posts that are older than 30 days."""
    idempotency.drop_old(now=database_now())


def hint_webhooks() -> None:
    """Wake a worker where an endpoint listens. The job is only a hint: what there is to tell stands in PostgreSQL."""
    if gathering.anyone_listens():
        queue = django_rq.get_queue(BACKGROUND)
        if not queue.count:
            queue.enqueue(tell, result_ttl=0, failure_ttl=7 * 86_400)


def hint_hurry() -> None:
    """A credential's limit was changed. Without Redis it is felt within the hour."""
    try:
        django_rq.get_queue(BACKGROUND).enqueue(hurry, result_ttl=0, failure_ttl=7 * 86_400)
    except redis.RedisError as problem:
        log.warning("the new limit is felt later: %s", type(problem).__name__)


def hint_rollups() -> None:
    """Have large campaigns counted anew, where that is due."""
    if next(rollups.due(now=database_now()), None) is not None:
        queue = django_rq.get_queue(BACKGROUND)
        if not queue.count:
            queue.enqueue(count_large, result_ttl=0, failure_ttl=7 * 86_400)


def tell() -> None:
    """Gather what happened and post it, until there is nothing to do; for 50 s at most."""
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends and not stopping.is_set():
        rows = gathering.gather(now=database_now())
        tried = sending.send_due(_client(), now=database_now())
        if rows < gathering.MOST_ROWS and not tried:
            return


@cache
def _client() -> Client:
    return sending.build_client()


def forget_deliveries() -> None:
    """Webhook batches that are old."""
    sending.drop_old(now=database_now())
