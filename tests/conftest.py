from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.conf import settings as site
from django.db import connection

from audiences import names_seen, sources
from audiences.partitions import _known, ensure_months
from console.api import keys
from console.tracking import rates
from tests.gateways.webpush import PushService

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def now() -> dt.datetime:
    """The one instant that most tests happen at: a Tuesday noon, UTC."""
    return NOW


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: Any, django_db_blocker: Any) -> None:
    """The months around the tests' instants and around today have their partitions."""
    with django_db_blocker.unblock():
        _known.clear()
        for middle in (NOW, dt.datetime.now(dt.UTC)):
            days = [middle.date() + dt.timedelta(days=30 * months) for months in range(-4, 4)]
            for table in ("audiences_event", "delivery_message", "delivery_push"):
                ensure_months(table, days)


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """What a process remembers of its database for a while must not pass from one test to the next."""
    names_seen.forget()
    sources.forget_sources()
    keys.forget_keys()
    rates.forget()


@pytest.fixture
def redis_server() -> Iterator[redis.Redis]:
    """The session's Redis, flushed."""
    client = redis.Redis.from_url(site.REDIS_URL)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def process_environment() -> dict[str, str]:
    """The environment for a real process of ours that works on the test's database and Redis."""
    parts = connection.settings_dict
    host, name = parts["HOST"], parts["NAME"]
    user = parts["USER"] + (f":{parts['PASSWORD']}" if parts["PASSWORD"] else "")
    url = (
        f"postgresql://{user}@/{name}?host={host}"
        if host.startswith("/")
        else (f"postgresql://{user}@{host}:{parts['PORT'] or 5432}/{name}")
    )
    return os.environ | {
        "DATABASE_URL": url,
        "REDIS_URL": site.REDIS_URL,
        "HEED_DATA": str(site.HEED_DATA),
        "HEED_PUSH_ORIGINS": ",".join(site.HEED_PUSH_ORIGINS),
        "DJANGO_SETTINGS_MODULE": "console.settings",
    }


@pytest.fixture
def push_service(tmp_path: Any, settings: Any) -> Iterator[PushService]:
    """A scripted push service in a process of its own, whose origin the site is told of."""
    service = PushService(tmp_path / "pushes.log")
    settings.HEED_PUSH_ORIGINS = (service.origin,)
    yield service
    service.stop()


@pytest.fixture
def real_now() -> dt.datetime:
    """The real time, for what a real server checks."""
    return dt.datetime.now(dt.UTC)
