"""One access token a key, for the workers of every host: minted once, renewed in time, never too often."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction

from delivery.gateways.access import Access, Minted, NotMinted
from delivery.gateways.base import Action, Outcome
from delivery.models import AccessToken
from tests import make
from tests.delivery.letters import gateway_of, letter
from tests.gateways.apns import ApnsService
from tests.gateways.fcm import FcmService

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = dt.timedelta(minutes=1)


class Mint:
    """Counts what it mints; `problem` is raised instead where there is one."""

    def __init__(self, *, renew_after=45 * MINUTE, lasts=59 * MINUTE):
        self.count, self.problem = 0, None
        self.renew_after, self.lasts = renew_after, lasts

    def __call__(self, now):
        if self.problem:
            raise self.problem
        self.count += 1
        return Minted(f"token-{self.count}", self.renew_after, self.lasts)


@pytest.fixture
def mint():
    return Mint()


def workers(mint, count=2, **values):
    return [Access("apns:TEAM.KEY", mint, **values) for _ in range(count)]


def held(worker, now):
    worker.prepare(now=now)
    return worker.current(now=now)


def test_all_workers_use_the_token_that_one_of_them_minted(mint, now):
    assert {held(worker, now) for worker in workers(mint, 5)} == {"token-1"}


def test_workers_that_begin_together_ask_once(fcm_service, certificate, real_now, enter):
    fcm_service.control(delay=0.3)
    credential = make.fcm_credential()
    gateways = [enter(gateway_of(credential, certificate)) for _ in range(6)]

    def work(gateway):
        try:
            gateway.prepare(now=real_now)
        finally:
            connections.close_all()
        return gateway.send([letter(FcmService.token(1))], now=real_now)[0].action

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(work, gateways)) == {Action.SENT}
    assert len(fcm_service.mints) == 1


def test_a_token_is_renewed_before_it_ends_and_by_one_worker(mint, now):
    one, two = workers(mint)
    assert held(one, now) == held(two, now) == "token-1"
    assert held(one, now + 44 * MINUTE) == "token-1"
    assert held(two, now + 46 * MINUTE) == held(one, now + 47 * MINUTE) == "token-2"
    assert mint.count == 2


def test_who_still_has_a_good_token_does_not_wait_for_the_one_who_renews_it(mint, now):
    one, two = workers(mint)
    held(one, now)
    later = now + 46 * MINUTE

    def other():
        try:
            return held(two, later)
        finally:
            connections.close_all()

    held(two, now)
    with transaction.atomic():
        AccessToken.objects.select_for_update().get()
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(other).result(timeout=5) == "token-1"


def test_who_waits_for_one_that_never_comes_back_begins_nothing_and_goes_on(mint, now, monkeypatch):
    monkeypatch.setattr("delivery.gateways.access.LONGEST_MINT", 0.3)
    one, two = workers(mint)
    AccessToken.objects.create(holder="apns:TEAM.KEY")

    def other():
        try:
            return held(two, now)
        finally:
            connections.close_all()

    with transaction.atomic():
        AccessToken.objects.select_for_update().get()
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(other).result(timeout=5)
    assert (found.action, found.reason, found.wait) == (Action.NOT_BEGUN, "token_unavailable", 30)
    assert held(two, now) == held(one, now) == "token-1"


def test_a_young_token_costs_no_query(mint, now, django_assert_num_queries):
    (one,) = workers(mint, 1)
    held(one, now)
    with django_assert_num_queries(0):
        held(one, now + 30 * MINUTE)


def test_a_refused_token_is_minted_anew_once_for_all(mint, now):
    one, two = workers(mint)
    for worker in (one, two):
        held(worker, now)
        worker.refuse("token-1")
    assert isinstance(one.current(now=now), Outcome)
    assert held(one, now) == held(two, now) == "token-2"


def test_apple_never_gets_two_tokens_within_twenty_minutes(mint, now):
    one, two = workers(mint, apart=20 * MINUTE)
    held(one, now)
    held(two, now)
    for worker in (one, two):
        worker.refuse("token-1")
        found = held(worker, now + 5 * MINUTE)
        assert (found.action, found.reason, found.wait) == (Action.NOT_BEGUN, "token_refused", 15 * 60)
    assert held(one, now + 20 * MINUTE) == held(two, now + 21 * MINUTE) == "token-2"


def test_a_token_service_in_trouble_is_asked_again_after_half_a_minute_and_not_by_everybody(mint, now):
    mint.problem = NotMinted("down", was_refused=False)
    asked = []
    counted = Mint()
    counted.problem = mint.problem
    one, two = (Access("fcm:x", lambda now: asked.append(now) or counted(now)) for _ in range(2))
    for seconds in (0, 5, 20):
        for worker in (one, two):
            found = held(worker, now + dt.timedelta(seconds=seconds))
            assert (found.action, found.reason, found.detail) == (Action.NOT_BEGUN, "token_unavailable", "down")
    assert len(asked) == 1
    counted.problem = None
    assert held(one, now + dt.timedelta(seconds=31)) == "token-1"
    assert held(two, now + dt.timedelta(seconds=32)) == "token-1"
    row = AccessToken.objects.get()
    assert (row.failed_at, row.problem) == (None, "")


def test_while_a_new_token_cannot_be_had_the_old_one_serves_to_its_end(mint, now):
    (one,) = workers(mint, 1)
    held(one, now)
    mint.problem = NotMinted("down", was_refused=False)
    assert held(one, now + 50 * MINUTE) == "token-1"
    assert held(one, now + 60 * MINUTE).reason == "token_unavailable"


def test_who_is_not_known_to_the_token_service_is_paused_with_what_it_said(fcm_service, certificate, real_now):
    fcm_service.control(accounts={})
    with gateway_of(make.fcm_credential(), certificate) as gateway:
        gateway.prepare(now=real_now)
        outcomes = gateway.send([letter(FcmService.token(n)) for n in range(3)], now=real_now)
    assert {(outcome.action, outcome.reason) for outcome in outcomes} == {(Action.PAUSE, "unauthorized")}
    assert "invalid_grant" in outcomes[0].detail
    assert fcm_service.requests == []


@pytest.mark.parametrize("step", ["500", "429", "307:https://example.com/", "reset-after"])
def test_a_token_service_that_gives_none_keeps_every_push(fcm_service, certificate, real_now, step):
    fcm_service.control(scripts={"mint": [step]})
    with gateway_of(make.fcm_credential(), certificate) as gateway:
        gateway.prepare(now=real_now)
        (outcome,) = gateway.send([letter(FcmService.token(1))], now=real_now)
    assert (outcome.action, outcome.reason, outcome.wait) == (Action.NOT_BEGUN, "token_unavailable", 30)


def test_googles_token_lasts_as_long_as_it_says(fcm_service, certificate, real_now):
    fcm_service.control(expires_in=1800)
    with gateway_of(make.fcm_credential(), certificate) as gateway:
        for minutes in (0, 19, 21):
            gateway.prepare(now=real_now + minutes * MINUTE)
    assert len(fcm_service.mints) == 2


def test_a_token_is_signed_by_the_databases_clock(apns_service, certificate, real_now):
    """This machine's own may be an hour off."""
    earlier = real_now - 50 * MINUTE
    with gateway_of(make.apns_credential(), certificate) as gateway:
        gateway.prepare(now=earlier)
        gateway.send([letter(ApnsService.token(1))], now=earlier)
    from tests.gateways.scripted import parts

    (request,) = apns_service.requests
    header, claims, _, _ = parts(request["headers"]["authorization"].removeprefix("bearer "))
    assert claims == {"iss": make.TEAM, "iat": int(earlier.timestamp())}
    assert (header["alg"], header["kid"]) == ("ES256", make.KEY_ID)


def test_apps_of_one_team_share_the_token_of_their_key(apns_service, certificate, real_now, enter):
    credentials = [make.apns_credential(), make.apns_credential(app="com.example.other")]
    for gateway in [enter(gateway_of(one, certificate)) for one in credentials]:
        gateway.prepare(now=real_now)
        assert gateway.send([letter(ApnsService.token(1))], now=real_now)[0].action == Action.SENT
    assert len({request["headers"]["authorization"] for request in apns_service.requests}) == 1
    assert {request["headers"]["apns-topic"] for request in apns_service.requests} == {make.APP, "com.example.other"}


def test_tokens_lie_sealed_in_the_database(fcm_service, certificate, real_now):
    with gateway_of(make.fcm_credential(), certificate) as gateway:
        gateway.prepare(now=real_now)
    with connection.cursor() as cursor:
        cursor.execute("SELECT delivery_accesstoken::text, encode(sealed, 'escape') FROM delivery_accesstoken")
        row = str(cursor.fetchone())
    assert "ya29" not in row


def test_a_token_whose_sealing_key_is_gone_is_minted_anew(mint, now):
    (one,) = workers(mint, 1)
    held(one, now)
    AccessToken.objects.update(sealed=b"k0:" + b"x" * 40)
    (two,) = workers(mint, 1)
    assert held(two, now) == "token-2"
