"""FCM and APNs that are rude or slow: as web push, with many requests on one connection."""

import datetime as dt
from contextlib import closing

import pytest

from delivery.models import Push
from tests import make
from tests.delivery.sending import phones, planned, states
from tests.drills.books import assert_books_balance, is_over, push_id
from tests.drills.processes import peak, wait_for
from tests.gateways.door import Door

pytestmark = pytest.mark.slow


@pytest.fixture(params=["fcm", "apns"])
def gateway(request, processes, certificate, enter):
    """A scripted gateway behind a door; `people` makes some with a phone each."""
    name = request.param
    service = request.getfixturevalue(f"{name}_service")
    service.door = enter(closing(Door(service.port)))
    {"fcm": make.fcm_credential, "apns": make.apns_credential}[name]()
    processes.environment |= {
        f"HEED_{name.upper()}_ORIGIN": f"https://localhost:{service.door.port}",
        "HEED_FCM_TOKEN_ORIGIN": service.origin,
        "HEED_CA_FILE": str(certificate / "ca.pem"),
    }
    service.people = lambda count, first=0: phones(count, name, first=first, app=make.APP if name == "apns" else "")
    return service


@pytest.mark.parametrize("rude", ["reset", "shut"])
def test_a_connection_that_breaks_before_any_request_is_tried_again(processes, gateway, start_at, rude):
    """D10 (a)."""
    gateway.door.mode = rude
    wave = planned(gateway.people(10), now=start_at)
    processes.clock(HEED_TIME_SCALE="0.01")
    processes.worker(HEED_TIME_SCALE="0.01")
    wait_for(lambda: Push.objects.filter(wave=wave, reason="not_reached").count() == 10, every=0.02)
    gateway.door.mode = "open"
    wait_for(lambda: is_over(wave), seconds=60)
    assert states(wave) == {"sent": 10}
    assert len(gateway.requests) == 10
    assert_books_balance(wave, 10, gateway)


@pytest.mark.parametrize("must_arrive", [False, True])
def test_a_connection_that_breaks_under_requests_leaves_them_unknown(processes, gateway, start_at, must_arrive):
    """D10 (b): it takes all that are on it along, and none of them goes again, unless it must arrive."""
    gateway.control(scripts={gateway.token(n): ["reset-after", "200"] for n in range(10)}, delay=0.05)
    wave = planned(gateway.people(10), now=start_at, must_arrive=must_arrive)
    processes.clock(HEED_TIME_SCALE="0.01")
    processes.worker(HEED_TIME_SCALE="0.01")
    wait_for(lambda: is_over(wave), seconds=60)
    later = planned(gateway.people(1, first=10), now=start_at)
    wait_for(lambda: is_over(later))
    if not must_arrive:
        assert states(wave) == {"unknown(no_answer)": 10}
        assert_books_balance([wave, later], 11, gateway)
        return
    assert states(wave) == {"sent": 10}
    assert {request["token"] for request in gateway.requests if request["step"] == "200"} >= {
        gateway.token(n) for n in range(10)
    }
    keys = {}
    for request in gateway.requests:
        headers, said = request["headers"], request["payload"]
        key = headers.get("apns-collapse-id") or said.get("android", {}).get("collapse_key")
        keys.setdefault(push_id(request), set()).add(key)
    assert all(len(said) == 1 for said in keys.values()), "each copy takes the place of the first"
    assert all(all(said) for push, said in keys.items() if Push.objects.filter(pk=push, wave=wave).exists())


def test_answers_that_never_end_keep_a_worker_for_its_deadline_at_most(processes, gateway, start_at):
    """D9, all on one connection."""
    steps = {"silence": "unknown", "drip": "sent", "huge": "sent"}
    processes.clock(HEED_LEASE_SECONDS="30")
    worker = processes.worker(HEED_LEASE_SECONDS="30")
    warm = planned(gateway.people(20), now=start_at)
    wait_for(lambda: is_over(warm))
    before = peak(worker)
    scripts = {gateway.token(100 + n): [step] for n, step in enumerate([*steps] * 3)}
    gateway.control(scripts=scripts)
    wave = planned(gateway.people(9, first=100), now=start_at)
    wait_for(lambda: is_over(wave), seconds=60)
    found = Push.objects.filter(wave=wave).values_list("device__address", "state", "intent_at", "finished_at")
    for address, state, began, ended in found:
        assert state == steps[scripts[address][0]], scripts[address]
        assert ended - began < dt.timedelta(seconds=18), "ten for the deadline, and what a busy machine takes"
    assert len(found) == 9
    assert peak(worker) - before < 10_000_000
    assert_books_balance([warm, wave], 29, gateway)
