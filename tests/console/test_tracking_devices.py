"""Devices and receipts over HTTP: whose a browser is, and what it may tell."""

import json
from base64 import urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client

from audiences import sources
from audiences.models import Choice, Device, Event, Identifier, Profile, Standing
from console.tracking import rates
from delivery.models import Push
from delivery.receipts import receipt_token
from tests import make

pytestmark = pytest.mark.django_db


def _text(data):
    return urlsafe_b64encode(data).rstrip(b"=").decode()


P256DH = _text(
    ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
)
KEYS = {"p256dh": P256DH, "auth": _text(b"0123456789abcdef")}


@pytest.fixture
def browser(redis_server):
    return make.source("browser", key="browser-key")


def post(path, data, **headers):
    return Client().post(path, json.dumps(data), content_type="text/plain", **headers)


def arrival(number=1, **more):
    device = {
        "id": f"device-{number}",
        "gateway": "webpush",
        "address": f"https://fcm.googleapis.com/fcm/send/{number}",
        "keys": KEYS,
        "permission": "granted",
        "applicationServerKey": "BPublic",
        "platform": "web",
        "browser": "Firefox",
        "os": "Linux",
        "locale": "de-DE",
        "timezone": "Europe/Berlin",
    }
    return {
        "writeKey": "browser-key",
        "anonymousId": f"visitor-{number}",
        "device": device | more.pop("device", {}),
        "consent": {"text": "May we?", "version": "1", "source": "soft prompt"},
        **more,
    }


def test_a_browser_registers_and_its_grant_is_in_the_ledger(browser):
    response = post("/v1/devices", arrival())
    device = Device.objects.get()
    assert response.json() == {"success": True, "device": str(device.public_id)}
    assert (device.key, device.p256dh, device.sender_key, device.zone) == (
        "device-1",
        P256DH,
        "BPublic",
        "Europe/Berlin",
    )
    choice = Choice.objects.get()
    assert (choice.profile_id, choice.decision, choice.entry.text, choice.entry.source) == (
        device.profile_id,
        "in",
        "May we?",
        "soft prompt",
    )
    assert device.profile.zone == "Europe/Berlin"


def test_registering_again_keeps_the_row_and_a_new_address_replaces_the_old(browser):
    first = post("/v1/devices", arrival()).json()["device"]
    again = post(
        "/v1/devices",
        arrival(
            device={"address": "https://fcm.googleapis.com/fcm/send/new"},
            previousAddress=arrival()["device"]["address"],
        ),
    )
    assert again.json()["device"] == first
    assert Device.objects.get().address.endswith("/new")


def test_a_login_moves_the_browser_and_a_logout_detaches_it(browser):
    post("/v1/devices", arrival(userId="ada"))
    ada = Profile.objects.get(external_id="ada")
    assert Device.objects.get().profile == ada
    epoch = Standing.objects.get(profile=ada).epoch
    assert post("/v1/devices/detach", {"writeKey": "browser-key", "device": {"id": "device-1"}}).status_code == 200
    assert Device.objects.get().detached_at
    assert Standing.objects.get(profile=ada).epoch > epoch
    post("/v1/devices", arrival(userId="bob"))
    device = Device.objects.get()
    assert (device.profile.external_id, device.detached_at) == ("bob", None)
    assert Profile.objects.filter(merged_into=None).count() == 2


def test_without_proof_the_device_stays_anonymous(browser):
    make.profile("ada", proven_at=make.NOW)
    post("/v1/devices", arrival(userId="ada"))
    assert Device.objects.get().profile == Identifier.objects.get(value="visitor-1").profile
    assert Device.objects.get().profile.external_id is None
    post("/v1/devices", arrival(userId="ada", userHash=sources.identity_hash(browser, "ada")))
    assert Device.objects.get().profile.external_id == "ada"


def test_an_opt_out_is_not_turned_around_by_a_browsers_grant(browser):
    from audiences import consent

    visitor = make.anonymous("visitor-1")
    consent.record(
        [consent.NewChoice(profile_id=visitor.pk, topic_id=None, decision="out", source="test")], now=make.NOW
    )
    post("/v1/devices", arrival())
    assert Choice.objects.get().decision == "out"


def test_a_permission_taken_away_is_recorded_without_an_address(browser):
    post("/v1/devices", arrival())
    post("/v1/devices", arrival(device={"permission": "denied", "address": "", "keys": None}))
    assert Device.objects.get().permission == "denied"
    assert Choice.objects.get().decision == "in"


@pytest.mark.parametrize(
    ("device", "path"),
    [
        ({"address": "https://evil.example/x"}, "device.address"),
        ({"address": "http://fcm.googleapis.com/x"}, "device.address"),
        ({"address": ""}, "device.address"),
        ({"keys": {"p256dh": _text(b"\x04" + bytes(64)), "auth": KEYS["auth"]}}, "device.keys.p256dh"),
        ({"keys": {"p256dh": "x", "auth": KEYS["auth"]}}, "device.keys.p256dh"),
        ({"keys": {"p256dh": P256DH, "auth": "short"}}, "device.keys.auth"),
        ({"keys": None}, "device.keys.p256dh"),
        ({"gateway": "pigeon"}, "device.gateway"),
        ({"permission": "maybe"}, "device.permission"),
        ({"id": ""}, "device.id"),
        ({"id": 5}, "device.id"),
        ({"os": "x\0"}, "device.os"),
    ],
)
def test_a_device_that_could_not_be_pushed_is_refused_by_path(browser, device, path):
    response = post("/v1/devices", arrival(device=device))
    assert response.status_code == 400
    assert response.json()["path"] == path
    assert not Device.objects.exists()


def test_pages_of_foreign_sites_register_nothing(browser):
    response = post("/v1/devices", arrival(), HTTP_ORIGIN="https://evil.example")
    assert response.status_code == 403
    assert post("/v1/devices", arrival(), HTTP_ORIGIN="http://testserver").status_code == 200


def test_one_address_cannot_register_devices_without_end(browser, monkeypatch):
    a_second, at_once = rates.RATES["devices"]
    assert (a_second, at_once) == (1, 60)
    # None comes back while a slow machine is at it.
    monkeypatch.setitem(rates.RATES, "devices", (a_second / 1e6, at_once))
    statuses = [post("/v1/devices", arrival(number)).status_code for number in range(70)]
    assert statuses == [200] * 60 + [429] * 10
    assert Device.objects.count() == 60


@pytest.fixture
def push(real_now):
    owner = make.profile("ada")
    wave = make.wave(wave_on=real_now.date(), due_at=real_now, expires_at=real_now)
    message = make.message(wave, owner)
    return Push.objects.create(
        wave=wave,
        wave_on=wave.wave_on,
        message_id=message.pk,
        profile=owner,
        device=make.device(owner),
        send_key="test",
        intent_at=real_now,
    )


def receipt(push, kind, **more):
    return {"push": str(push.pk), "kind": kind, "token": receipt_token(push.pk, push.wave_on), **more}


def test_receipts_need_no_key_and_count_once(push, real_now, redis_server):
    said = [
        receipt(push, "shown", at=real_now.isoformat()),
        receipt(push, "shown"),
        receipt(push, "clicked", at="soon"),
    ]
    assert post("/v1/receipts", said).json() == {"success": True}
    assert post("/v1/receipts", {"receipts": said}).status_code == 200
    push = Push.objects.get(pk=push.pk, wave_on=push.wave_on)
    assert push.shown_at
    assert push.clicked_at


def test_forged_and_odd_receipts_are_answered_alike_and_not_stored(push, redis_server):
    forged = [receipt(push, "shown") | {"token": "1.x.y"}, receipt(push, "danced"), {"push": 1}, None, "x"]
    assert post("/v1/receipts", forged).json() == {"success": True}
    assert Push.objects.get(pk=push.pk, wave_on=push.wave_on).shown_at is None
    assert post("/v1/receipts", "text").status_code == 400


def test_segments_mobile_push_events_are_receipts(push, browser):
    call = {
        "userId": "ada",
        "anonymousId": "v",
        "writeKey": "browser-key",
        "properties": {"push": str(push.pk), "receipt": receipt_token(push.pk, push.wave_on)},
    }
    for event in ("Push Notification Received", "Push Notification Tapped"):
        assert post("/v1/track", call | {"event": event}).status_code == 200
    push = Push.objects.get(pk=push.pk, wave_on=push.wave_on)
    assert push.received_at
    assert push.clicked_at
    assert Event.objects.count() == 2


def test_a_bounced_token_is_quarantined(browser):
    call = {
        "anonymousId": "v",
        "writeKey": "browser-key",
        "context": {"device": {"token": "ab" * 32, "type": "ios", "id": "p"}},
    }
    post("/v1/track", call | {"event": "Application Installed"})
    assert Device.objects.get().quarantined_at is None
    post("/v1/track", call | {"event": "Push Notification Bounced"})
    assert Device.objects.get().quarantine_reason == "bounced"
