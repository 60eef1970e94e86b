from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests import make
from tests.drills import servers
from tests.drills.processes import Processes

FAST = {"HEED_LEASE_SECONDS": "4", "HEED_TIME_SCALE": "0.02", "HEED_WORKERS": "2", "HEED_LOG_LEVEL": "WARNING"}
"""Short leases and waits, so that a drill lasts seconds."""


@pytest.fixture
def processes(
    transactional_db: Any, push_service: Any, redis_server: Any, process_environment: Any
) -> Iterator[Processes]:
    """Processes on the test's database, with short leases, that send to the scripted push service."""
    with started(process_environment) as mine:
        yield mine


@pytest.fixture
def own_servers(django_db_blocker: Any) -> Iterator[servers.Servers]:
    """A PostgreSQL and a Redis of this drill's own."""
    with django_db_blocker.unblock(), servers.started() as mine:
        yield mine


@pytest.fixture
def own_processes(own_servers: servers.Servers, push_service: Any, process_environment: Any) -> Iterator[Processes]:
    """Processes on them."""
    with started(process_environment | own_servers.environment) as mine:
        yield mine


@contextmanager
def started(environment: dict[str, str]) -> Iterator[Processes]:
    """Processes in this environment, on a site that has a credential and no quiet hours; stopped at the end."""
    make.credential()
    make.no_quiet_hours()
    mine = Processes(environment | FAST)
    try:
        yield mine
    finally:
        mine.stop()


@pytest.fixture
def start_at() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@pytest.fixture
def raced(processes: Processes) -> Processes:
    """The same, and workers stop where a test holds a checkpoint."""
    processes.environment |= {"HEED_CHECKPOINTS": "1"}
    return processes
