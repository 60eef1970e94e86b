"""APNs from a signing key to the answer, against a server that checks what Apple checks."""

import datetime as dt
import hashlib

import pytest

from delivery.gateways.apns import notification
from delivery.gateways.base import Action
from delivery.gateways.outcomes_apns import APNS, outcome_of
from delivery.http import Answer
from tests import make
from tests.delivery.letters import gateway_of, letter, outcome_among_others, rules_hit
from tests.gateways.apns import ApnsService

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway(apns_service, certificate, real_now):
    with gateway_of(make.apns_credential(), certificate) as made:
        made.prepare(now=real_now)
        yield made


def to(number=0, **values):
    return letter(ApnsService.token(number), **values)


def sent(service, gateway, one, now):
    """The request that this letter becomes."""
    (outcome,) = gateway.send([one], now=now)
    assert outcome.action == Action.SENT
    request = service.requests[-1]
    assert "error" not in request, request["error"]
    return request


def test_a_push_is_signed_by_the_teams_key_and_names_its_app(apns_service, gateway, real_now):
    one = to(ttl_seconds=3600)
    request = sent(apns_service, gateway, one, real_now)
    headers = request["headers"]
    assert headers["apns-topic"] == make.APP
    assert headers["apns-id"] == one.payload["push"]
    assert headers["apns-expiration"] == str(int(real_now.timestamp()) + 3600)
    assert (headers["apns-push-type"], headers["apns-priority"]) == ("alert", "10")
    assert "apns-collapse-id" not in headers


def test_what_a_marketer_sets_for_ios_is_where_ios_looks(apns_service, gateway, real_now):
    one = to(
        payload={"image": "https://shop.example/i.png", "data": {"order": 17}, "icon": ""},
        urgency="low",
        collapse="cart-key",
        options={
            "android": {"channel": "offers"},
            "ios": {
                "sound": "bell.caf",
                "badge": 0,
                "subtitle": "For you",
                "category": "CART",
                "thread": "orders",
                "interruption_level": "time-sensitive",
                "relevance_score": 0.5,
            },
        },
    )
    request = sent(apns_service, gateway, one, real_now)
    assert request["payload"] == {
        "aps": {
            "alert": {"title": "Hello", "body": "We have news.", "subtitle": "For you"},
            "sound": "bell.caf",
            "badge": 0,
            "category": "CART",
            "thread-id": "orders",
            "interruption-level": "time-sensitive",
            "relevance-score": 0.5,
            "mutable-content": 1,
        },
        "v": 1,
        "push": one.payload["push"],
        "receipt": "r.1",
        "title": "Hello",
        "body": "We have news.",
        "image": "https://shop.example/i.png",
        "data": {"order": 17},
        "manage": "https://example.com/p/1",
    }
    assert request["headers"]["apns-priority"] == "5"
    assert request["headers"]["apns-collapse-id"] == "cart-key"


@pytest.mark.parametrize(
    ("options", "urgency", "priority"),
    [
        ({"priority": 1}, "high", "1"),
        ({"priority": "10"}, "low", "10"),
        ({"priority": "x"}, "low", "10"),
        ({}, "very-low", "1"),
    ],
)
def test_the_priority_is_what_was_set_for_ios_or_follows_the_urgency(
    apns_service, gateway, real_now, options, urgency, priority
):
    request = sent(apns_service, gateway, to(options={"ios": options}, urgency=urgency), real_now)
    assert request["headers"]["apns-priority"] == priority


def test_a_message_that_shows_nothing_is_a_background_push(apns_service, gateway, real_now):
    silent = to(payload={"title": "", "body": "", "data": {"sync": True}}, urgency="high")
    request = sent(apns_service, gateway, silent, real_now)
    assert request["payload"]["aps"] == {"content-available": 1}
    assert (request["headers"]["apns-push-type"], request["headers"]["apns-priority"]) == ("background", "5")


def test_extensions_are_woken_by_mutable_content(apns_service, gateway, real_now):
    request = sent(apns_service, gateway, to(options={"ios": {"mutable_content": True}}), real_now)
    assert request["payload"]["aps"]["mutable-content"] == 1


@pytest.mark.parametrize(("ttl", "seconds"), [(0, None), (60, 60), (90 * 86_400, 30 * 86_400)])
def test_it_expires_with_its_lifetime_and_now_or_never_is_zero(apns_service, gateway, real_now, ttl, seconds):
    said = int(sent(apns_service, gateway, to(ttl_seconds=ttl), real_now)["headers"]["apns-expiration"])
    assert said == (0 if seconds is None else int(real_now.timestamp()) + seconds)


@pytest.mark.parametrize(
    ("tag", "collapse", "said"),
    [
        ("cart", "", "cart"),
        ("cart", "w17", "w17"),
        ("warenkörbe", "", hashlib.sha256("warenkörbe".encode()).hexdigest()),
        ("x" * 65, "", hashlib.sha256(b"x" * 65).hexdigest()),
        ("a\r\nb: c", "", hashlib.sha256(b"a\r\nb: c").hexdigest()),
    ],
)
def test_a_tag_replaces_what_is_shown_as_on_other_platforms(apns_service, gateway, real_now, tag, collapse, said):
    request = sent(apns_service, gateway, to(payload={"tag": tag}, collapse=collapse), real_now)
    assert request["headers"]["apns-collapse-id"] == said


def test_the_limit_is_4096_bytes(apns_service, gateway, real_now):
    room = 4096 - len(notification(to(payload={"data": {"x": ""}})))
    outcomes = gateway.send(
        [to(payload={"data": {"x": "y" * room}}), to(payload={"data": {"x": "y" * (room + 1)}})], now=real_now
    )
    assert [outcome.action for outcome in outcomes] == [Action.SENT, Action.FIX]
    assert outcomes[1].detail == "the notification has 4,097 bytes; 4,096 is the limit"


@pytest.mark.parametrize("address", ["", "not-hex", "../../x", "a" * 500, "abcdef12/../y", "abcdef12?x"])
def test_what_is_no_device_token_is_dropped_unasked(apns_service, gateway, real_now, address):
    (outcome,) = gateway.send([letter(address)], now=real_now)
    assert (outcome.action, outcome.reason) == (Action.DROP, "bad_token")
    assert apns_service.requests == []


def test_sandbox_has_a_place_of_its_own(apns_service, settings, certificate, real_now):
    settings.HEED_APNS_ORIGIN, settings.HEED_APNS_SANDBOX_ORIGIN = "https://localhost:1", apns_service.origin
    with gateway_of(make.apns_credential(environment="sandbox"), certificate) as sandbox:
        sandbox.prepare(now=real_now)
        assert sandbox.send([to()], now=real_now)[0].action == Action.SENT
        assert sandbox.origin("x") == apns_service.origin


# (answer, action, reason, doubt): the whole table of the specification, and the ways in which an answer can stay away.
ROWS = [
    ("200", Action.SENT, "", ""),
    ("302:https://example.com/", Action.FIX, "redirect", ""),
    ("400:BadDeviceToken", Action.DROP, "bad_token", "environment"),
    *(
        (f"400:{word}", Action.PAUSE, "wrong_app", "")
        for word in ("DeviceTokenNotForTopic", "TopicDisallowed", "BadTopic", "MissingTopic")
    ),
    *(
        (f"400:{word}", Action.FIX, "our_mistake", "")
        for word in (
            "BadCollapseId",
            "BadExpirationDate",
            "BadMessageId",
            "BadPriority",
            "DuplicateHeaders",
            "InvalidPushType",
            "PayloadEmpty",
            "MissingDeviceToken",
        )
    ),
    ("400:IdleTimeout", Action.RETRY, "connection_ended", ""),
    ("400:SomethingNew", Action.FIX, "refused", ""),
    ("403:ExpiredProviderToken", Action.RENEW, "token_refused", ""),
    *(
        (f"403:{word}", Action.PAUSE, "unauthorized", "")
        for word in (
            "InvalidProviderToken",
            "MissingProviderToken",
            "UnrelatedKeyIdInToken",
            "BadEnvironmentKeyIdInToken",
            "BadCertificate",
            "BadCertificateEnvironment",
            "Forbidden",
        )
    ),
    ("404:BadPath", Action.FIX, "our_mistake", ""),
    ("405:MethodNotAllowed", Action.FIX, "our_mistake", ""),
    ("410:Unregistered@1700000000000", Action.DROP, "gone", ""),
    ("410:ExpiredToken", Action.DROP, "gone", ""),
    ("413:PayloadTooLarge", Action.FIX, "payload_too_large", ""),
    ("429:TooManyProviderTokenUpdates", Action.HOLD, "token_updates", ""),
    ("429:TooManyRequests", Action.DELAY, "device_throttled", ""),
    ("500:InternalServerError", Action.RETRY, "gateway_trouble", ""),
    ("503:ServiceUnavailable", Action.RETRY, "gateway_trouble", ""),
    ("503:Shutdown", Action.RETRY, "connection_ended", ""),
    ("418", Action.FIX, "refused", ""),
    ("reset-stream", Action.UNKNOWN, "no_answer", ""),
    ("refused-stream", Action.RETRY, "not_reached", ""),
]


@pytest.mark.parametrize("place", [0, 3, 6])
@pytest.mark.parametrize(("script", "action", "reason", "doubt"), ROWS)
def test_every_answer_has_its_action_wherever_it_stands_in_a_batch(
    apns_service, gateway, real_now, place, script, action, reason, doubt
):
    found = outcome_among_others(apns_service, gateway, script, place=place, now=real_now)
    assert (found.action, found.reason, found.doubt) == (action, reason, doubt)


def test_the_rows_above_reach_every_rule():
    assert rules_hit(APNS, [row[0] for row in ROWS], {}) == list(APNS)


@pytest.mark.parametrize(
    ("script", "wait"),
    [
        ("429:TooManyProviderTokenUpdates", 1200),
        ("429:TooManyRequests", 60),
        ("429:7", 7),
        ("500:InternalServerError", 900),
        ("503:ServiceUnavailable", 900),
        ("503:Shutdown", None),
        ("400:IdleTimeout", None),
    ],
)
def test_apple_is_left_alone_for_as_long_as_it_asks(apns_service, gateway, real_now, script, wait):
    apns_service.control(default=script)
    assert gateway.send([to()], now=real_now)[0].wait == wait


def test_who_is_unregistered_was_so_since_a_moment(apns_service, gateway, real_now):
    """A device that registered after it is kept: learning.py compares."""
    apns_service.control(default="410:Unregistered@1700000000000")
    (outcome,) = gateway.send([to()], now=real_now)
    assert outcome.dead_since == dt.datetime(2023, 11, 14, 22, 13, 20, tzinfo=dt.UTC)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"reason": 7}', b'{"reason":"Unregistered","timestamp":1e99}'])
def test_a_strange_body_changes_nothing(body, real_now):
    assert outcome_of(Answer("answered", 410, body=body), real_now).action != Action.SENT
    assert outcome_of(Answer("answered", 200, body=body), real_now).action == Action.SENT


@pytest.mark.parametrize("place", [0, 3, 6])
def test_after_goaway_what_was_not_processed_is_proved_and_nothing_is_sent_twice(
    apns_service, gateway, real_now, place
):
    apns_service.control(scripts={ApnsService.token(place): ["goaway", "200"]})
    letters = [to(number) for number in range(7)]
    outcomes = gateway.send(letters, now=real_now)
    assert {(outcome.action, outcome.reason) for outcome in outcomes} <= {
        (Action.SENT, ""),
        (Action.RETRY, "not_reached"),
    }
    again = [one for one, outcome in zip(letters, outcomes, strict=True) if outcome.action == Action.RETRY]
    assert all(outcome.action == Action.SENT for outcome in gateway.send(again, now=real_now))
    taken = [request["token"] for request in apns_service.requests if request["step"] == "200"]
    assert sorted(taken) == sorted(one.address for one in letters)
    assert len({request["connection"] for request in apns_service.requests}) == 2, "it reconnects"


def test_thousands_go_over_one_connection(apns_service, gateway, real_now):
    apns_service.control(check=False)
    outcomes = gateway.send([to(number) for number in range(1_000)], now=real_now)
    assert {outcome.action for outcome in outcomes} == {Action.SENT}
    assert {request["connection"] for request in apns_service.requests} == {1}
