"""The code for apps in docs/app-code.md says only what the API takes, and reads only what gateways send."""

import json
import re
from itertools import groupby

import pytest
from django.conf import settings
from django.test import Client

from audiences.arrivals import DeviceSaid
from audiences.models import Choice, Device
from delivery.gateways import apns, fcm
from delivery.models import Push
from delivery.receipts import KINDS
from tests import make
from tests.console.test_tracking_devices import receipt
from tests.delivery.letters import letter

pytestmark = pytest.mark.django_db
PAGE = (settings.BASE_DIR / "docs" / "app-code.md").read_text()
BLOCKS = {
    language: "\n".join(text for _, text in found)
    for language, found in groupby(
        sorted(re.findall(r"```(kotlin|swift)\n(.*?)```", PAGE, flags=re.S)), key=lambda one: one[0]
    )
}
# What a phone finds, of what gateways send.
SENT = {
    "v": 1,
    "push": "p",
    "receipt": "r",
    "title": "t",
    "body": "b",
    "url": "https://x.example",
    "image": "https://x.example/i.png",
    "tag": "t",
    "manage": "https://x.example/m",
}


@pytest.mark.parametrize("language", ["kotlin", "swift"])
def test_the_code_names_only_fields_kinds_and_addresses_that_exist(language):
    code = BLOCKS[language]
    fields = {
        "".join(w.capitalize() if i else w for i, w in enumerate(name.split("_")))
        for name in DeviceSaid.__struct_fields__
    }
    facts = re.findall(r'"(\w+)" to', code) if language == "kotlin" else re.findall(r'said\["(\w+)"\] = ', code)
    assert len(facts) > 2
    assert set(facts) <= fields
    kinds = re.findall(r'\.tell\("(\w+)"', code)
    assert len(kinds) > 2
    assert set(kinds) <= set(KINDS)
    paths = {"/" + path for path in re.findall(r'"/?(v1/[\w/]+)"', code)}
    assert paths == {"/v1/devices", "/v1/devices/detach", "/v1/receipts"}


def test_the_code_reads_only_what_gateways_send():
    android = json.loads(fcm.message(letter("a" * 64, payload=SENT)))["message"]["data"]
    read = set(re.findall(r'data\["(\w+)"\]', BLOCKS["kotlin"]))
    assert len(read) > 5
    assert read <= set(android)
    apple = json.loads(apns.notification(letter("a" * 64, payload=SENT)))
    read = set(re.findall(r'(?:userInfo|said)\["(\w+)"\](?! =)', BLOCKS["swift"]))
    assert {"push", "receipt", "url", "image"} == read
    assert read <= set(apple)


def post(path, data):
    return Client().post(path, json.dumps(data), content_type="application/json")


def phone(gateway, address, **more):
    """As both clients build it."""
    device = {"id": "phone", "app": "com.example.shop", "appVersion": "4.1", "os": "x", "locale": "de-DE"}
    device |= {"timezone": "Europe/Berlin", "gateway": gateway, "permission": "granted"}
    device |= {"platform": "ios" if gateway == "apns" else "android", "address": address, **more.pop("device", {})}
    return {"writeKey": "mobile-key", "anonymousId": "visitor", "device": device, **more}


@pytest.mark.parametrize(("gateway", "old", "new"), [("fcm", "old:t", "new:t"), ("apns", "ab" * 32, "cd" * 32)])
def test_a_phones_life_as_the_page_tells_it(redis_server, real_now, gateway, old, new):
    make.source("mobile", key="mobile-key")
    assert post("/v1/devices", phone(gateway, old, consent={"text": "May we?", "source": "app"})).status_code == 200
    device = Device.objects.get()
    assert (device.key, device.app, Choice.objects.get().decision) == (f"{gateway}:phone", "com.example.shop", "in")
    post("/v1/devices", phone(gateway, new, userId="ada", userHash=None))
    rotated = Device.objects.get()
    assert (rotated.pk, rotated.address, rotated.profile.external_id) == (device.pk, new, "ada")
    denied = phone(gateway, "", userId="ada", device={"permission": "denied"})
    del denied["device"]["address"]
    assert post("/v1/devices", denied).status_code == 200
    lost = Device.objects.get()
    assert (lost.permission, lost.permission_lost_at is not None, lost.address) == ("denied", True, new)
    post("/v1/devices", phone(gateway, new, userId="ada"))
    assert Device.objects.live().exists()
    assert post("/v1/devices/detach", {"writeKey": "mobile-key", "device": {"id": "phone"}}).status_code == 200
    assert Device.objects.get().detached_at
    # The next start of the app, with nobody signed in.
    post("/v1/devices", phone(gateway, new) | {"anonymousId": "another visitor"})
    assert not Device.objects.live().exists()
    post("/v1/devices", phone(gateway, new, userId="bob"))
    assert Device.objects.live().get().profile.external_id == "bob"
    wave = make.wave(wave_on=real_now.date(), due_at=real_now, expires_at=real_now)
    push = Push.objects.create(
        wave=wave,
        wave_on=wave.wave_on,
        message_id=make.message(wave, device.profile).pk,
        profile=device.profile,
        device=device,
        send_key="test",
        intent_at=real_now,
    )
    for kind in KINDS:
        assert post("/v1/receipts", [receipt(push, kind, at=real_now.isoformat())]).status_code == 200
    push = Push.objects.get(pk=push.pk, wave_on=push.wave_on)
    assert all(getattr(push, f"{kind}_at") for kind in ("received", "shown", "opened", "clicked"))
