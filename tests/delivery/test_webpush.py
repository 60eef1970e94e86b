"""Web push from encryption to the answer of a push service."""

import random
from base64 import urlsafe_b64decode, urlsafe_b64encode

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pywebpush import WebPusher

from delivery.gateways.base import Action, Letter
from delivery.gateways.encryption import InvalidKeys, PayloadTooLarge, check_keys, encrypt
from delivery.gateways.outcomes_webpush import WEB_PUSH, WINDOWS
from delivery.gateways.webpush import InvalidSubject, WebPush, check_subject, generate_vapid_keys
from delivery.http import Client
from tests.delivery.letters import rules_hit
from tests.gateways.webpush import AUTH, p256dh, private_key


def b64(data):
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def raw(text):
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_the_encoder_gives_the_example_of_rfc_8291():
    """RFC 8291, appendix A."""
    sender = ec.derive_private_key(
        int.from_bytes(raw("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big"), ec.SECP256R1()
    )
    body = encrypt(
        b"When I grow up, I want to be a watermelon",
        p256dh="BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        auth="BTBZMqHH6r4Tts7J_aSIgg",
        salt=raw("DGv6ra1nlYgDCS1FRnbzlw"),
        sender=sender,
    )
    assert b64(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_two_thousand_random_payloads_decrypt_with_the_reference():
    draw = random.Random(1)
    for number in range(2_000):
        payload = draw.randbytes(draw.randint(0, 3_993))
        body = encrypt(payload, p256dh=p256dh(number), auth=b64(AUTH))
        assert http_ece.decrypt(body, private_key=private_key(number), auth_secret=AUTH) == payload


def test_pywebpush_makes_bodies_of_the_same_form():
    info = {"endpoint": "https://fcm.googleapis.com/x", "keys": {"p256dh": p256dh(1), "auth": b64(AUTH)}}
    theirs = WebPusher(info).encode(b"hello", "aes128gcm")["body"]
    ours = encrypt(b"hello", p256dh=p256dh(1), auth=b64(AUTH))
    assert len(ours) == len(theirs)
    assert ours[16:21] == theirs[16:21]


def test_a_payload_over_the_limit_is_refused():
    with pytest.raises(PayloadTooLarge, match="3,994"):
        encrypt(b"x" * 3_994, p256dh=p256dh(1), auth=b64(AUTH))


@pytest.mark.parametrize(
    ("key", "auth"),
    [
        ("", b64(AUTH)),
        ("not base64!", b64(AUTH)),
        (b64(b"\4" + b"\1" * 64), b64(AUTH)),
        (b64(b"\2" + b"\1" * 32), b64(AUTH)),
        (p256dh(1), b64(b"short")),
        (p256dh(1), ""),
    ],
)
def test_keys_that_nothing_can_be_encrypted_for_are_refused(key, auth):
    with pytest.raises(InvalidKeys):
        check_keys(key, auth)


@pytest.mark.parametrize(
    "subject",
    ["me@example.com", "mailto:<a@b.com>", "mailto:a@localhost", "mailto:a@b.invalid", "mailto:a b@c.com", ""],
)
def test_a_subject_that_push_services_refuse_is_refused_here(subject):
    with pytest.raises(InvalidSubject):
        check_subject(subject)


@pytest.fixture
def gateway(push_service):
    pem, public = generate_vapid_keys()
    client = Client(exempt=[push_service.origin])
    yield WebPush(
        private_pem=pem,
        public_key=public,
        subject="mailto:push@example.com",
        client=client,
        exempt=[push_service.origin],
    )
    client.close()


def letter(subscription, **values):
    return Letter(
        **{
            "address": subscription.endpoint,
            "p256dh": subscription.p256dh,
            "auth": subscription.auth,
            "sender_key": "",
            "payload": {"title": "Hello", "n": subscription.number},
            "ttl_seconds": 60,
            **values,
        }
    )


def test_what_is_sent_is_decrypted_and_its_headers_are_right(push_service, gateway, real_now):
    (outcome,) = gateway.send([letter(*push_service.subscribe(1), collapse="cart", urgency="high")], now=real_now)
    assert (outcome.action, outcome.ttl_granted) == (Action.SENT, 60)
    assert outcome.reference == "https://push.example/m/1"
    (request,) = push_service.requests
    assert request["payload"] == {"title": "Hello", "n": 0}
    assert (request["headers"]["topic"], request["headers"]["urgency"]) == ("cart", "high")


def test_one_bad_letter_never_keeps_the_batch_back(push_service, gateway, real_now):
    good = push_service.subscribe(5)
    letters = [letter(one) for one in good]
    letters[0] = letter(good[0], p256dh="rubbish")
    letters[2] = letter(good[2], payload={"title": "x" * 5_000})
    letters[4] = letter(good[4], address="https://evil.example/x")
    outcomes = gateway.send(letters, now=real_now)
    assert [(o.action, o.reason) for o in outcomes] == [
        (Action.DROP, "invalid_keys"),
        (Action.SENT, ""),
        (Action.FIX, "payload_too_large"),
        (Action.SENT, ""),
        (Action.FIX, "unsafe_address"),
    ]
    assert len(push_service.requests) == 2


def test_the_token_is_signed_once_an_origin_and_renewed_before_it_ends(push_service, gateway, real_now):
    import datetime as dt

    for hours in (0, 1, 11.5):
        gateway.send([letter(*push_service.subscribe(1))], now=real_now + dt.timedelta(hours=hours))
    tokens = [request["headers"]["authorization"] for request in push_service.requests]
    assert tokens[0] == tokens[1] != tokens[2]


# (script, action, reason): the whole table of the specification, and the ways in which an answer can stay away.
ROWS = [
    *((status, Action.SENT, "") for status in ("200", "201", "202")),
    *((f"{status}:http://127.0.0.1:1/", Action.FIX, "redirect") for status in (301, 302, 303, 307, 308)),
    ("400:UnauthorizedRegistration", Action.PAUSE, "unauthorized"),
    ("400:109", Action.PAUSE, "unauthorized"),
    *((f"400:{errno}", Action.FIX, "invalid_ttl_or_topic") for errno in (111, 112, 113, 114)),
    *((f"400:{errno}", Action.FIX, "encryption_refused") for errno in (101, 108, 110)),
    ("400", Action.FIX, "bad_request"),
    ("401:errno 109", Action.PAUSE, "unauthorized"),
    ("403", Action.PAUSE, "unauthorized"),
    ("404:errno 102", Action.DROP, "gone"),
    *((f"410:errno {errno}", Action.DROP, "gone") for errno in (103, 105, 106)),
    ("413:errno 104", Action.FIX, "payload_too_large"),
    ("406", Action.FIX, "refused"),
    ("429:7", Action.HOLD, "throttled"),
    ("500", Action.RETRY, "gateway_trouble"),
    ("502:errno 900", Action.RETRY, "gateway_trouble"),
    ("503:120", Action.RETRY, "gateway_trouble"),
    ("503:errno 201", Action.RETRY, "gateway_trouble"),
    ("503:errno 202", Action.RETRY, "gateway_trouble"),
    ("reset-after", Action.UNKNOWN, "no_answer"),
    ("close-after", Action.UNKNOWN, "no_answer"),
    ("418", Action.FIX, "refused"),
]


def test_the_rows_above_reach_every_rule_but_that_of_windows():
    signs = {word: f"errno {word}" for word in ("101", "108", "109", "110", "111", "112", "113", "114")}
    hit = rules_hit(WEB_PUSH, [row[0] for row in ROWS], signs)
    assert [rule for rule in WEB_PUSH if rule not in hit] == [rule for rule in WEB_PUSH if WINDOWS in rule.signs]


def test_a_service_that_asks_to_come_back_at_once_waits_ten_seconds(push_service, gateway, real_now):
    push_service.control(default="503:errno 202")
    assert gateway.send([letter(*push_service.subscribe(1))], now=real_now)[0].wait == 10


@pytest.mark.parametrize("place", [0, 3, 6])
@pytest.mark.parametrize(("script", "action", "reason"), ROWS)
def test_every_answer_has_its_action_wherever_it_stands_in_a_batch(
    push_service, gateway, real_now, place, script, action, reason
):
    subscriptions = push_service.subscribe(7)
    push_service.control(scripts={f"{place}-device": [script]})
    outcomes = gateway.send([letter(one) for one in subscriptions], now=real_now)
    assert (outcomes[place].action, outcomes[place].reason) == (action, reason)
    assert all(o.action == Action.SENT for i, o in enumerate(outcomes) if i != place)
    assert len(push_service.requests) == 7, "nothing is repeated behind our back, nothing follows a redirect"


def test_a_subscription_made_under_another_key_asks_its_browser_to_subscribe_again(push_service, gateway, real_now):
    push_service.control(default="403")
    (outcome,) = gateway.send([letter(*push_service.subscribe(1), sender_key="another")], now=real_now)
    assert outcome.action == Action.RESUBSCRIBE
