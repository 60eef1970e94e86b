"""Pulling the plug while apps are pushed to: two more protocols, and tokens that all workers share."""

import random
import time

import pytest

from delivery.models import AccessToken
from tests import make
from tests.delivery.sending import phones, planned
from tests.drills.books import assert_books_balance, is_over
from tests.drills.processes import wait_for

pytestmark = pytest.mark.slow


def test_workers_killed_while_they_push_to_phones_double_nothing_and_share_their_tokens(
    processes, fcm_service, apns_service, certificate, start_at
):
    """D1 over HTTP/2, with FCM's token service slow and every worker in want of a token at once."""
    count, kills = 600, 8
    make.fcm_credential(), make.apns_credential()
    processes.environment |= {
        "HEED_FCM_ORIGIN": fcm_service.origin,
        "HEED_FCM_TOKEN_ORIGIN": fcm_service.origin,
        "HEED_APNS_ORIGIN": apns_service.origin,
        "HEED_CA_FILE": str(certificate / "ca.pem"),
        "HEED_MICRO_BATCH": "16",
    }
    for service in (fcm_service, apns_service):
        service.control(delay=0.05)
    wave = planned(phones(count, "fcm") + phones(count, "apns", app=make.APP), now=start_at)
    processes.clock()
    workers = [processes.worker() for _ in range(3)]
    wait_for(lambda: len(fcm_service.requests) > 30 and len(apns_service.requests) > 30)
    draw = random.Random(8)
    for _ in range(kills):
        time.sleep(draw.uniform(0.1, 0.6))
        processes.kill(workers.pop(0))
        workers.append(processes.worker())
    wait_for(lambda: is_over(wave), seconds=60)
    counted = assert_books_balance(wave, 2 * count, fcm_service, apns_service)
    unknown = counted.get("unknown(worker_lost)", 0)
    assert unknown <= 16 * kills
    assert counted["sent"] == 2 * count - unknown
    assert len(fcm_service.mints) == 1
    assert len({one["headers"]["authorization"] for one in apns_service.requests}) == 1
    assert AccessToken.objects.count() == 2
