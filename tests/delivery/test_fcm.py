"""FCM from a service account to the answer, against a server that checks what Google checks."""

import datetime as dt

import pytest

from delivery.gateways.base import Action
from delivery.gateways.outcomes_fcm import DEVICE, FCM, FIELD
from tests import make
from tests.delivery.letters import gateway_of, letter, outcome_among_others, rules_hit
from tests.gateways.fcm import FcmService

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway(fcm_service, certificate, real_now):
    with gateway_of(make.fcm_credential(), certificate) as made:
        made.prepare(now=real_now)
        yield made


def test_a_push_is_sent_with_a_token_of_the_service_account(fcm_service, gateway, real_now):
    (outcome,) = gateway.send([letter(FcmService.token(1))], now=real_now)
    assert (outcome.action, outcome.status) == (Action.SENT, "200")
    assert outcome.reference.startswith("projects/shop-1/messages/")
    (mint,), (push,) = fcm_service.mints, fcm_service.requests
    assert mint["claims"]["iss"] == "push@shop-1.iam.gserviceaccount.com"
    assert mint["claims"]["iat"] == int(real_now.timestamp())
    assert "error" not in push
    assert push["headers"]["authorization"] == "Bearer ya29.token-1"


def test_what_a_marketer_sets_for_android_is_where_android_looks(fcm_service, gateway, real_now):
    one = letter(
        FcmService.token(1),
        payload={"image": "https://shop.example/i.png", "tag": "cart", "data": {"order": 17}, "icon": ""},
        ttl_seconds=40 * 86_400,
        urgency="low",
        collapse="cart-key",
        options={
            "android": {"channel": "offers", "sound": "bell", "color": "#00ff00", "priority": "high"},
            "ios": {"sound": "x"},
        },
    )
    assert gateway.send([one], now=real_now)[0].action == Action.SENT
    sent = fcm_service.requests[0]["payload"]
    assert sent["notification"] == {
        "title": "Hello",
        "body": "We have news.",
        "image": "https://shop.example/i.png",
    }
    assert sent["android"] == {
        "priority": "HIGH",
        "ttl": f"{28 * 86_400}s",
        "collapse_key": "cart-key",
        "notification": {"channel_id": "offers", "sound": "bell", "color": "#00ff00", "tag": "cart"},
    }
    assert sent["data"] == {
        "v": "1",
        "push": one.payload["push"],
        "receipt": "r.1",
        "title": "Hello",
        "body": "We have news.",
        "image": "https://shop.example/i.png",
        "tag": "cart",
        "data": '{"order":17}',
        "manage": "https://example.com/p/1",
    }


def test_a_message_that_shows_nothing_is_data_alone(fcm_service, gateway, real_now):
    silent = letter(FcmService.token(1), payload={"title": "", "body": "", "tag": "cart", "data": {"sync": True}})
    gateway.send([silent], now=real_now)
    sent = fcm_service.requests[0]["payload"]
    assert "notification" not in sent
    assert "notification" not in sent["android"]
    assert sent["data"]["data"] == '{"sync":true}'


def test_the_limit_is_4096_bytes_without_the_token(fcm_service, gateway, real_now):
    """Title and body count twice, once for Android and once for the app."""
    room = 4096
    fits = letter("t" * 500, payload={"data": {"x": ""}})
    fits = letter("t" * 500, payload={"data": {"x": "y" * (room - size_of(fits))}})
    large = letter("t" * 500, payload={"data": {"x": fits.payload["data"]["x"] + "y"}})
    outcomes = gateway.send([fits, large], now=real_now)
    assert [outcome.action for outcome in outcomes] == [Action.SENT, Action.FIX]
    assert outcomes[1].detail == "the message has 4,097 bytes; 4,096 is the limit"


def size_of(one):
    from delivery.gateways.fcm import message

    return len(message(one)) - len(one.address)


# (answer, action, reason, doubt): the whole table of the specification, and the ways in which an answer can stay away.
ROWS = [
    ("200", Action.SENT, "", ""),
    ("302:https://example.com/", Action.FIX, "redirect", ""),
    ("400:FIELD", Action.FIX, "invalid_argument", ""),
    ("400:TOKEN", Action.FIX, "invalid_argument", "token_or_message"),
    ("400:INVALID_ARGUMENT", Action.FIX, "invalid_argument", "token_or_message"),
    ("401:THIRD_PARTY_AUTH_ERROR", Action.PAUSE, "third_party_auth", ""),
    ("401:UNAUTHENTICATED", Action.RENEW, "token_refused", ""),
    ("403:SENDER_ID_MISMATCH", Action.PAUSE, "other_project", "project"),
    ("403:PERMISSION_DENIED", Action.PAUSE, "unauthorized", ""),
    ("404:UNREGISTERED", Action.DROP, "gone", ""),
    ("404:NOT_FOUND", Action.PAUSE, "unknown_project", ""),
    ("404", Action.PAUSE, "unknown_project", ""),
    ("413", Action.FIX, "payload_too_large", ""),
    ("429:DEVICE", Action.DELAY, "device_throttled", ""),
    ("429:QUOTA_EXCEEDED", Action.HOLD, "throttled", ""),
    ("429:RESOURCE_EXHAUSTED", Action.HOLD, "throttled", ""),
    ("429:7", Action.HOLD, "throttled", ""),
    ("500:INTERNAL", Action.RETRY, "gateway_trouble", ""),
    ("502", Action.RETRY, "gateway_trouble", ""),
    ("503:UNAVAILABLE", Action.RETRY, "gateway_trouble", ""),
    ("503:20", Action.RETRY, "gateway_trouble", ""),
    ("418", Action.FIX, "refused", ""),
    ("reset-stream", Action.UNKNOWN, "no_answer", ""),
    ("refused-stream", Action.RETRY, "not_reached", ""),
]


@pytest.mark.parametrize("place", [0, 3, 6])
@pytest.mark.parametrize(("script", "action", "reason", "doubt"), ROWS)
def test_every_answer_has_its_action_wherever_it_stands_in_a_batch(
    fcm_service, gateway, real_now, place, script, action, reason, doubt
):
    found = outcome_among_others(fcm_service, gateway, script, place=place, now=real_now)
    assert (found.action, found.reason, found.doubt) == (action, reason, doubt)


def test_the_rows_above_reach_every_rule():
    signs = {"FIELD": FIELD, "TOKEN": "INVALID_ARGUMENT", "DEVICE": DEVICE}
    assert rules_hit(FCM, [row[0] for row in ROWS], signs) == list(FCM)


@pytest.mark.parametrize(
    ("script", "wait"),
    [
        ("500:INTERNAL", 10),
        ("503:2", 10),
        ("503:20", 20),
        ("429:QUOTA_EXCEEDED", 60),
        ("429:7", 7),
        ("refused-stream", 10),
    ],
)
def test_google_is_left_alone_for_as_long_as_it_asks_and_ten_seconds_at_least(
    fcm_service, gateway, real_now, script, wait
):
    fcm_service.control(default=script)
    (outcome,) = gateway.send([letter(FcmService.token(0))], now=real_now)
    assert outcome.wait == wait


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[1]", b'{"error": 7}', b'{"error": {"details": 7}}', b"{" * 500])
def test_a_strange_body_changes_nothing(body, real_now):
    from delivery.gateways.outcomes_fcm import outcome_of
    from delivery.http import Answer

    assert outcome_of(Answer("answered", 200, body=body), real_now).action == Action.SENT
    assert outcome_of(Answer("answered", 404, body=body), real_now).action == Action.PAUSE


@pytest.mark.parametrize("violations", [None, 7, "device", [7], [{"field": 7}]])
def test_strange_details_change_nothing(violations, real_now):
    import json

    from delivery.gateways.outcomes_fcm import outcome_of
    from delivery.http import Answer

    details = [{"@type": "x/google.rpc.BadRequest", "fieldViolations": violations}, {"@type": 5, "errorCode": 7}]
    body = json.dumps({"error": {"status": "INVALID_ARGUMENT", "details": details}}).encode()
    assert outcome_of(Answer("answered", 400, body=body), real_now).action == Action.FIX


def test_a_clock_that_is_wrong_is_told_once(fcm_service, gateway, real_now, caplog):
    for _ in range(2):
        gateway.send([letter(FcmService.token(0))], now=real_now - dt.timedelta(minutes=3))
    assert caplog.text.count("s ahead of ours (the database's)") == 1
