from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from delivery.models import SendingRules
from tests import make
from tests.drills.processes import Processes


@pytest.fixture
def processes(
    transactional_db: Any, push_service: Any, redis_server: Any, process_environment: Any
) -> Iterator[Processes]:
    """Processes on the test's database, with short leases, that send to the scripted push service."""
    make.credential()
    SendingRules.objects.create(pk=1, quiet_from=None, quiet_until=None)
    started = Processes(
        process_environment
        | {"HEED_LEASE_SECONDS": "4", "HEED_TIME_SCALE": "0.02", "HEED_WORKERS": "2", "HEED_LOG_LEVEL": "WARNING"}
    )
    yield started
    started.stop()


@pytest.fixture
def start_at() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@pytest.fixture
def raced(processes: Processes) -> Processes:
    """The same, and workers stop where a test holds a checkpoint."""
    processes.environment |= {"HEED_CHECKPOINTS": "1"}
    return processes
