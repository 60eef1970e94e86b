"""Starts the test session's own PostgreSQL and Redis, before Django reads its settings (a pytest plugin, `-p`).

Honours DATABASE_URL and REDIS_URL. Under xdist the controller starts them and the workers share them: each worker has
its own database (pytest-django names it) and its own Redis database.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from console.embedded import Embedded, database_url, redis_url

_started: Embedded | None = None


def _start() -> None:
    global _started
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker:
        os.environ["REDIS_URL"] = f"{os.environ['HEED_TEST_REDIS']}{int(worker.removeprefix('gw')) + 1}"
        return
    data = Path(tempfile.mkdtemp(prefix="heed-test-", dir="/tmp"))  # short: the sockets lie in it
    data.chmod(0o755)
    os.environ["HEED_DATA"] = str(data)
    _started = Embedded(
        data,
        durable=False,
        postgres="DATABASE_URL" not in os.environ,
        redis="REDIS_URL" not in os.environ,
    )
    _started.start()
    os.environ.setdefault("DATABASE_URL", database_url(data))
    os.environ.setdefault("REDIS_URL", redis_url(data))
    os.environ["HEED_TEST_REDIS"] = os.environ["REDIS_URL"].partition("?db=")[0] + "?db="


def pytest_unconfigure() -> None:
    if _started is not None:
        _started.stop()
        shutil.rmtree(_started.data, ignore_errors=True)


_start()
