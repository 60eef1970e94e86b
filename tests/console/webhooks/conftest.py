from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from console.models import WebhookEndpoint
from console.webhooks import endpoints, gathering, sending
from console.webhooks.kinds import KINDS
from delivery.http import Client
from tests.gateways.receiver import Receiver


@pytest.fixture
def receiver(tmp_path: Any, settings: Any) -> Iterator[Receiver]:
    """A real HTTPS server on loopback, whose origin the site is told of."""
    running = Receiver(tmp_path).start()
    settings.HEED_WEBHOOK_ORIGINS = (running.origin,)
    yield running
    running.stop()


@pytest.fixture
def listening(receiver: Receiver, real_now: dt.datetime) -> Callable[..., tuple[WebhookEndpoint, str]]:
    """Makes an endpoint at the receiver that is told these kinds, and gives its secret."""

    def make(*kinds: str, name: str = "CRM", path: str = "/hooks") -> tuple[WebhookEndpoint, str]:
        return endpoints.create(name, receiver.origin + path, kinds or list(KINDS), made_by="tests", now=real_now)

    return make


@pytest.fixture
def tell(receiver: Receiver, monkeypatch: Any) -> Iterator[Callable[..., int]]:
    """What the background worker does, once: gather everything, then post what is due at `now`."""
    client = Client(exempt=[receiver.origin], roots=[receiver.root])

    def once(*, now: dt.datetime | None = None) -> int:
        while gathering.gather(now=now or dt.datetime.now(dt.UTC)) >= gathering.MOST_ROWS:
            pass
        count = 0
        while tried := sending.send_due(client, now=now or dt.datetime.now(dt.UTC)):
            count += tried
        return count

    # The margin for transactions that the statistics do not show yet costs each test a second otherwise.
    monkeypatch.setattr(gathering, "_HORIZON", gathering._HORIZON.replace("'1 second'", "'0 seconds'"))
    yield once
    client.close()
