from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as site
from django.db import connection, connections

from audiences import names_seen, sources
from audiences.partitions import _known, ensure_months
from console import campaign_summary, stops
from console.api import keys
from console.tracking import rates
from tests.benchmarks.world import make_certificate
from tests.gateways.apns import ApnsService
from tests.gateways.fcm import FcmService
from tests.gateways.scripted import Running
from tests.gateways.webpush import PushService

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def now() -> dt.datetime:
    """The one instant that most tests happen at: a Tuesday noon, UTC."""
    return NOW


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """A live server's thread waits for more from a client that keeps its connection: it keeps none to the database."""
    connections.settings["default"]["CONN_MAX_AGE"] = 0


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
    stops.forget()
    campaign_summary.forget()


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


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for localhost and its key (sink.pem), and who signed it (ca.pem)."""
    folder = tmp_path_factory.mktemp("certificate")
    make_certificate(folder)
    return folder


@pytest.fixture(scope="session")
def gateways(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Iterator[Callable[[type[Running]], Any]]:
    """Scripted gateways, each in a process of its own that lives for the session; a test gets it as if just started."""
    folder = tmp_path_factory.mktemp("gateways")
    running: dict[type[Running], Running] = {}

    def start(kind: type[Running]) -> Running:
        if kind in running and running[kind].is_running:
            running[kind].start_afresh()
        else:
            is_plain = kind is PushService
            log = folder / f"{kind.__name__}.log"
            log.unlink(missing_ok=True)
            running[kind] = kind(log, certificate="" if is_plain else certificate / "sink.pem")
        return running[kind]

    yield start
    for service in running.values():
        service.stop()


@pytest.fixture
def push_service(gateways: Any, settings: Any) -> PushService:
    """A scripted push service, whose origin the site is told of."""
    service: PushService = gateways(PushService)
    settings.HEED_PUSH_ORIGINS = (service.origin,)
    return service


@pytest.fixture
def fcm_service(gateways: Any, settings: Any, certificate: Path) -> FcmService:
    """A scripted FCM with its token service, which knows the service account that make.fcm_credential uses."""
    from tests import make

    service: FcmService = gateways(FcmService)
    service.trust(make.service_account())
    settings.HEED_FCM_ORIGIN = settings.HEED_FCM_TOKEN_ORIGIN = service.origin
    settings.HEED_CA_FILE = certificate / "ca.pem"
    return service


@pytest.fixture
def apns_service(gateways: Any, settings: Any, certificate: Path) -> ApnsService:
    """A scripted APNs (production), which takes the key that make.apns_credential uses."""
    from tests import make

    service: ApnsService = gateways(ApnsService)
    service.trust(make.p8(), team=make.TEAM, key_id=make.KEY_ID)
    settings.HEED_APNS_ORIGIN = service.origin
    settings.HEED_CA_FILE = certificate / "ca.pem"
    return service


@pytest.fixture
def enter() -> Iterator[Callable[[Any], Any]]:
    """Enters context managers that are left when the test is over."""
    with ExitStack() as stack:
        yield stack.enter_context


@pytest.fixture
def real_now() -> dt.datetime:
    """The real time, for what a real server checks."""
    return dt.datetime.now(dt.UTC)
