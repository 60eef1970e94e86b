"""Gateways that are rude, slow or ask for patience."""

import datetime as dt
import email.utils
from contextlib import closing

import pytest

from delivery import holds
from delivery.models import Hold, Message, Push
from tests.delivery.sending import planned, reachable, states
from tests.drills.books import assert_books_balance, doubles, is_over
from tests.drills.processes import peak, wait_for
from tests.gateways.door import Door
from tests.gateways.webpush import PushService

pytestmark = pytest.mark.slow


@pytest.fixture
def opened(enter, tmp_path, certificate, processes, settings):
    """Further push services of this drill, by name; over TLS behind a door where one is asked for."""

    def open_(name, *, door=False):
        service = PushService(tmp_path / f"{name}.log", certificate=certificate / "sink.pem" if door else "")
        enter(closing(service))
        if door:
            service.door = Door(service.port)
            enter(closing(service.door))
            service.origin = f"https://localhost:{service.door.port}"
            processes.environment["HEED_CA_FILE"] = str(certificate / "ca.pem")
        settings.HEED_PUSH_ORIGINS = (*settings.HEED_PUSH_ORIGINS, service.origin)
        processes.environment["HEED_PUSH_ORIGINS"] = ",".join(settings.HEED_PUSH_ORIGINS)
        return service

    return open_


def test_a_push_service_is_left_alone_for_as_long_as_it_asks(processes, opened, start_at):
    """D8. A second lasts a tenth here."""
    scale, each = 0.1, 3
    date = email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=60), usegmt=True)
    asked = {"number": "20", "date": date, "words": "soon", "endless": "1000000000", "negative": "-5"}
    least = {"number": 20, "date": 20, "words": 60, "endless": 3600, "negative": 1}
    services = {name: opened(name) for name in asked}
    waves = {}
    for place, (name, service) in enumerate(services.items()):
        service.control(default=f"429:{asked[name]}")
        waves[name] = planned(reachable(service, each, first=each * place), now=start_at)
    processes.clock(HEED_TIME_SCALE=str(scale))
    processes.worker(HEED_TIME_SCALE=str(scale))
    for service in services.values():
        wait_for(lambda: len(service.requests) >= each)  # noqa: B023
        service.control(default="201")
    patient = {name: wave for name, wave in waves.items() if name != "endless"}
    wait_for(lambda: is_over(*patient.values()), seconds=60)
    for name in patient:
        refused = [one["at"] for one in services[name].requests if one["step"].startswith("429")]
        taken = [one["at"] for one in services[name].requests if one["step"] == "201"]
        assert len(taken) == each
        assert min(taken) - max(refused) >= least[name] * scale, name
        assert states(waves[name]) == {"sent": each}
    assert len(services["endless"].requests) == each
    hold = Hold.objects.get(origin=services["endless"].origin)
    assert (hold.until - hold.since).total_seconds() == pytest.approx(3600 * scale, abs=1)
    assert "Retry-After '1000000000' is taken for 3600 s" in hold.detail
    holds.resume([hold])
    Push.objects.filter(state="retry").update(due_at=start_at)
    Message.objects.filter(wave=waves["endless"]).update(due_at=start_at)
    wait_for(lambda: is_over(waves["endless"]))
    assert_books_balance(list(waves.values()), each * len(waves), *services.values())


def test_push_services_that_drip_or_say_nothing_keep_a_worker_for_its_deadline_at_most(
    processes, opened, push_service, start_at
):
    """D9."""
    slow = {"silence": 2, "drip": 2, "drip-body": 2, "huge": 2}
    services = {name: opened(name) for name in slow}
    mute = opened("mute", door=True)
    processes.clock(HEED_LEASE_SECONDS="30")
    worker = processes.worker(HEED_LEASE_SECONDS="30")
    warm = planned(reachable(push_service, 100), now=start_at)
    wait_for(lambda: is_over(warm))
    before = peak(worker)

    people = []
    for place, (name, service) in enumerate(services.items()):
        service.control(default=name)
        people += reachable(service, slow[name], first=100 + 10 * place)
    mute.door.mode = "mute"
    people += reachable(mute, 2, first=200)
    wave = planned(people, now=start_at)
    wait_for(lambda: Push.objects.filter(wave=wave).count() == len(people))
    began = Push.objects.filter(wave=wave).order_by("intent_at").first().intent_at
    # Those of the mute one are tried again and again, after moments that are easily missed.
    others = Push.objects.filter(wave=wave).exclude(device__address__startswith=mute.origin)
    wait_for(lambda: not others.filter(state="sending").exists())
    ended = Push.objects.filter(wave=wave, finished_at__isnull=False).order_by("-finished_at").first().finished_at
    became = dict(Push.objects.filter(wave=wave).values_list("device__address", "state"))
    for name, state in (("silence", "unknown"), ("drip", "unknown"), ("drip-body", "sent"), ("huge", "sent")):
        mine = {found for address, found in became.items() if address.startswith(services[name].origin)}
        assert mine == {state}, name
    retried = Push.objects.filter(wave=wave, device__address__startswith=mute.origin)
    assert {(one.state, one.reason) for one in retried} <= {("retry", "not_reached"), ("sending", "")}
    assert ended - began < dt.timedelta(seconds=18), "ten for the deadline, and what a busy machine takes"
    assert peak(worker) - before < 10_000_000

    mute.door.mode = "open"
    wait_for(lambda: is_over(wave), seconds=60)
    assert len(mute.requests) == 2
    assert doubles(*services.values(), mute, push_service) == []


@pytest.mark.parametrize("rude", ["reset", "shut"])
def test_a_connection_that_breaks_before_the_request_is_tried_again(processes, opened, start_at, rude):
    """D10 (a): nothing has left us."""
    service = opened("rude", door=True)
    service.door.mode = rude
    wave = planned(reachable(service, 10), now=start_at)
    processes.clock(HEED_TIME_SCALE="0.2")
    processes.worker(HEED_TIME_SCALE="0.2")
    wait_for(lambda: Push.objects.filter(wave=wave, state="retry", reason="not_reached").exists())
    service.door.mode = "open"
    wait_for(lambda: is_over(wave), seconds=60)
    assert states(wave) == {"sent": 10}
    assert len(service.requests) == 10
    assert set(Push.objects.filter(wave=wave).values_list("attempt", flat=True)) <= {2, 3, 4, 5}
    assert_books_balance(wave, 10, service)


@pytest.mark.parametrize("must_arrive", [False, True])
def test_a_connection_that_breaks_after_the_request_leaves_it_unknown(processes, push_service, start_at, must_arrive):
    """D10 (b): it may have arrived. Only what must arrive goes again, in the place of the first."""
    push_service.control(scripts={f"{n}-device": ["reset-after", "201"] for n in range(10)})
    wave = planned(reachable(push_service, 10), now=start_at, must_arrive=must_arrive)
    processes.clock()
    processes.worker()
    wait_for(lambda: is_over(wave), seconds=60)
    later = planned(reachable(push_service, 1, first=10), now=start_at)
    wait_for(lambda: is_over(later))
    if not must_arrive:
        assert states(wave) == {"unknown(no_answer)": 10}
        assert len(push_service.requests) == 11
        assert_books_balance([wave, later], 11, push_service)
        return
    assert states(wave) == {"sent": 10}
    pairs = {}
    for one in push_service.requests:
        pairs.setdefault(one["token"], []).append((one["payload"]["tag"], one["headers"].get("topic")))
    pairs.pop("10-device")
    assert all(len(both) == 2 and both[0] == both[1] and both[0][1] for both in pairs.values())
