"""What every gateway must do, whatever it speaks. A new one passes these tests by being entered in tests/gateways/kinds.py."""

import datetime as dt
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from delivery.gateways import BUILDERS
from delivery.gateways.base import Action
from tests.delivery.letters import gateway_of
from tests.gateways.kinds import KINDS

pytestmark = pytest.mark.django_db

WHOLE = {
    "title": "Grüße, 世界 🎉",
    "body": "We have news.",
    "url": "https://shop.example/cart?a=1&b=2",
    "image": "https://shop.example/i.png",
    "icon": "https://shop.example/icon.png",
    "badge": "https://shop.example/badge.png",
    "actions": [{"action": "buy", "title": "Buy", "url": "https://shop.example/buy"}],
    "tag": "cart",
    "data": {"order": 17, "from": "shop", "nested": {"a": [1, None, True]}},
}


class Met:
    """A gateway, its service, and device n of it."""

    def __init__(self, kind, service, gateway, now):
        self.kind, self.service, self.gateway, self.now = kind, service, gateway, now

    def letters(self, count, **values):
        return [self.kind.to(self.service, number, **values) for number in range(count)]

    def send(self, letters, **values):
        self.gateway.prepare(now=self.now)
        return self.gateway.send(letters, now=self.now, **values)

    def script(self, number, *steps):
        self.service.control(scripts={self.kind.token(number): list(steps)})


@pytest.fixture(params=sorted(BUILDERS))
def met(request, certificate, real_now):
    kind = KINDS[request.param]
    service = request.getfixturevalue(kind.service)
    with gateway_of(kind.credential(), certificate) as gateway:
        gateway.prepare(now=real_now)
        yield Met(kind, service, gateway, real_now)


def test_every_gateway_is_under_this_contract():
    assert set(KINDS) == set(BUILDERS)


def test_there_is_one_outcome_for_each_letter_in_order(met):
    met.service.control(scripts={met.kind.token(1): ["500"], met.kind.token(5): ["503"]})
    outcomes = met.send(met.letters(7))
    sent, retry = Action.SENT, Action.RETRY
    assert [outcome.action for outcome in outcomes] == [sent, retry, sent, sent, sent, retry, sent]
    assert met.send([]) == []
    assert len(met.service.requests) == 7, "nothing is repeated behind our back"


def test_what_is_sent_is_valid_and_whole(met):
    met.send(met.letters(3, payload=WHOLE, collapse="cart", urgency="high"))
    for request in met.service.requests:
        assert "error" not in request, request["error"]
        data = met.kind.data(request["payload"])
        for name in ("v", "push", "receipt", "manage", *WHOLE):
            said = data[name]
            assert said == WHOLE.get(name, said) or json.loads(said) == WHOLE[name]


@pytest.mark.parametrize("ttl", [0, 1, 86_400, 40 * 86_400])
@pytest.mark.parametrize("urgency", ["very-low", "low", "normal", "high"])
def test_each_lifetime_and_urgency_is_valid(met, ttl, urgency):
    (outcome,) = met.send(met.letters(1, ttl_seconds=ttl, urgency=urgency))
    assert outcome.action == Action.SENT
    assert "error" not in met.service.requests[-1]


@pytest.mark.parametrize("place", [0, 3, 6])
def test_one_bad_letter_never_keeps_the_others_back(met, place):
    bad = [
        met.kind.to(met.service, place, payload={"data": {"x": object()}}),
        met.kind.to(met.service, place, payload={"body": "x" * 5_000}),
        met.kind.to(met.service, place, payload={"body": "\ud800"}),
    ]
    if met.kind.bad_address:
        bad.append(met.kind.to(met.service, place, address=met.kind.bad_address))
    for one in bad:
        met.service.forget()
        letters = met.letters(7)
        letters[place] = one
        outcomes = met.send(letters)
        assert outcomes.pop(place).action in (Action.FIX, Action.DROP)
        assert {outcome.action for outcome in outcomes} == {Action.SENT}
        assert len(met.service.requests) == 6


def test_a_message_that_is_too_large_is_refused_here_with_its_size(met):
    (outcome,) = met.send(met.letters(1, payload={"body": "x" * 5_000}))
    assert (outcome.action, outcome.reason) == (Action.FIX, "payload_too_large")
    assert "5," in outcome.detail or "10," in outcome.detail
    assert met.service.requests == []


def test_nothing_begins_after_the_lease(met):
    outcomes = met.send(met.letters(5), until=time.monotonic() - 0.01)
    assert {outcome.action for outcome in outcomes} == {Action.NOT_BEGUN}
    assert met.service.requests == []


@pytest.mark.parametrize("step", ["reset-after", "close-after"])
def test_an_answer_that_stays_away_is_unknown_and_nothing_is_repeated(met, step):
    met.service.control(default=step)
    (outcome,) = met.send(met.letters(1))
    assert (outcome.action, outcome.reason) == (Action.UNKNOWN, "no_answer")
    assert len(met.service.requests) == 1


def test_without_a_connection_nothing_was_sent(met):
    met.service.stop()
    outcomes = met.send(met.letters(3))
    assert {(outcome.action, outcome.reason) for outcome in outcomes} == {(Action.RETRY, "not_reached")}


def test_a_time_that_the_gateway_asks_for_is_kept(met):
    for said, seconds in [("7", 7), ("-5", 1), ("1000000000", 3600), ("x y", 60)]:
        met.script(0, f"429:{said}")
        (outcome,) = met.send(met.letters(1))
        assert outcome.action in (Action.HOLD, Action.DELAY)
        assert outcome.wait == seconds


def test_a_refusal_of_our_credential_drops_nobody(met):
    for status in (401, 403):
        met.service.control(default=str(status))
        for outcome in met.send(met.letters(3)):
            assert outcome.action not in (Action.SENT, Action.DROP)


def test_a_redirect_is_never_followed(met):
    met.service.control(default="307:http://127.0.0.1:1/")
    (outcome,) = met.send(met.letters(1))
    assert (outcome.action, outcome.reason) == (Action.FIX, "redirect")


def test_an_answer_of_any_size_is_an_answer(met):
    met.script(0, "huge")
    (outcome,) = met.send(met.letters(1))
    assert outcome.action == Action.SENT


def test_threads_send_side_by_side(met):
    with ThreadPoolExecutor(4) as pool:
        met.gateway.prepare(now=met.now)
        batches = list(pool.map(lambda _: met.gateway.send(met.letters(5), now=met.now), range(8)))
    assert {outcome.action for outcomes in batches for outcome in outcomes} == {Action.SENT}
    assert len(met.service.requests) == 40


def test_all_devices_of_a_place_are_held_together(met):
    first, *others = [met.gateway.origin(one.address) for one in met.letters(3)]
    assert set(others) == {first}
    assert first.startswith(met.service.origin)
    assert len(first) <= 255


def test_neither_who_is_told_nor_what_is_ever_logged(met, caplog):
    caplog.set_level(logging.DEBUG)
    met.now += dt.timedelta(minutes=5)  # enough for a warning
    for step in (met.kind.accepted, "400", "401", "403", "404", "410", "413", "429", "500", "418", "reset-after"):
        met.service.control(default=step)
        letters = met.letters(1, payload={"title": "canary-title", "data": {"x": "canary-data"}})
        met.send([*letters, *met.letters(1, payload={"data": {"x": {"canary-key": object()}}})])
        for secret in ("canary", letters[0].address, str(letters[0].payload["push"])):
            assert secret not in caplog.text


@pytest.mark.slow
def test_silence_and_an_answer_without_end_last_as_long_as_the_deadline(request, certificate, real_now):
    """All at once, for it takes ten seconds."""
    meetings = []
    with ThreadPoolExecutor(8) as pool:
        for kind in KINDS.values():
            service = request.getfixturevalue(kind.service)
            service.control(scripts={kind.token(0): ["silence"], kind.token(1): ["drip"]})
            gateway = request.getfixturevalue("enter")(gateway_of(kind.credential(), certificate))
            gateway.prepare(now=real_now)
            letters = [kind.to(service, number) for number in range(3)]
            meetings.append(pool.submit(lambda g=gateway, them=letters: g.send(them, now=real_now)))
        began = time.monotonic()
        for meeting in meetings:
            silence, drip, last = meeting.result()
            assert silence.action == Action.UNKNOWN
            assert drip.action in (Action.UNKNOWN, Action.SENT)
            assert last.action == Action.SENT
        assert time.monotonic() - began < 15
