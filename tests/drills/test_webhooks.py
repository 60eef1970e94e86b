"""Webhooks while the worker that tells them is killed in the middle: every event arrives, and its id is the same."""

import datetime as dt
import os
from pathlib import Path

import pytest

from console import tasks
from console.models import WebhookDelivery
from console.webhooks import endpoints
from tests import make
from tests.drills.processes import Processes, wait_for
from tests.gateways.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)
DEVICES = 1500


@pytest.fixture
def receiver(tmp_path: Path, settings):
    running = Receiver(tmp_path).start()
    running.seconds = 0.2
    settings.HEED_WEBHOOK_ORIGINS = (running.origin,)
    yield running
    running.stop()


def test_no_event_is_lost_when_the_worker_is_killed_while_it_tells(
    processes: Processes, receiver: Receiver, start_at: dt.datetime
) -> None:
    endpoints.create("CRM", f"{receiver.origin}/x", ["device.registered"], made_by="drill", now=start_at)
    told = {"HEED_WEBHOOK_ORIGINS": receiver.origin, "HEED_CA_FILE": str(receiver.folder / "ca.pem")}
    worker = processes.start("manage.py", "work", "background", **told)
    ada = make.profile("ada")
    for number in range(DEVICES):
        make.device(ada, address=f"https://fcm.googleapis.com/fcm/send/{os.getpid()}-{number}")
        if number % 100 == 0:
            tasks.hint_webhooks()
        if number in (500, 1000):
            wait_for(lambda: _hint() or WebhookDelivery.objects.exclude(lease_until=None).exists(), every=0.01)
            processes.kill(worker)
            worker = processes.start("manage.py", "work", "background", **told)

    def is_over() -> bool:
        tasks.hint_webhooks()
        return len(_ids(receiver)) == DEVICES and not WebhookDelivery.objects.exclude(state="delivered").exists()

    wait_for(is_over, seconds=50)
    # Nothing was told under two ids; what was under way when a worker died was posted again.
    assert len(_ids(receiver)) == DEVICES
    assert WebhookDelivery.objects.filter(attempts__gt=1).exists()


def _ids(receiver: Receiver) -> set[str]:
    return {event["id"] for event in receiver.events()}


def _hint() -> None:
    tasks.hint_webhooks()
