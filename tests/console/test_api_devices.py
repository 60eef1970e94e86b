"""Devices over the REST API: what a company's own services do with them."""

import uuid

import pytest

from audiences.models import Choice, ConsentEntry, Device, Profile, Standing
from console.api.keys import create_key
from delivery.models import Push
from tests import make
from tests.console.test_api import caller
from tests.console.test_tracking_devices import KEYS

pytestmark = pytest.mark.django_db
APNS = "0123456789abcdef" * 4
FCM = "fMEP0vJqS6:APA91b" + "x" * 120


@pytest.fixture
def api(redis_server):
    return caller(create_key("tests", ["read", "write"])[1])


def phone(external_id="ada", **more):
    return {"external_id": external_id, "gateway": "fcm", "address": FCM, "key": "phone", **more}


def test_a_device_is_registered_once_and_renewed_by_its_key_or_its_address(api):
    first = api("post", "/api/devices", phone(app="com.example", app_version="2.1", os="Android", locale="de-DE"))
    assert first.status_code == 201
    shown = first.json()
    assert (shown["app"], shown["app_version"], shown["permission"], shown["health"]) == (
        "com.example",
        "2.1",
        "granted",
        "works",
    )
    assert "address" not in shown
    for again in (phone(), phone(key="other"), phone(address="new:token", key="other")):
        response = api("post", "/api/devices", again)
        assert (response.status_code, response.json()["id"]) == (200, shown["id"])
    device = Device.objects.get()
    assert (device.address, device.key, device.app, device.profile.external_id) == (
        "new:token",
        "fcm:other",
        "com.example",
        "ada",
    )


def test_a_device_is_registered_for_the_profile_that_the_address_names(api):
    response = api(
        "post", "/api/profiles/bob/devices", {"gateway": "apns", "address": APNS.upper(), "environment": "sandbox"}
    )
    assert response.status_code == 201
    device = Device.objects.get()
    assert (device.address, device.environment, device.profile.external_id) == (APNS, "sandbox", "bob")
    assert [one["id"] for one in api("get", "/api/profiles/bob/devices").json()["results"]] == [str(device.public_id)]


def test_a_browsers_subscription_is_registered_with_its_keys(api):
    body = {"external_id": "ada", "gateway": "webpush", "address": "https://fcm.googleapis.com/fcm/send/1", **KEYS}
    assert api("post", "/api/devices", body).status_code == 201
    assert Device.objects.get().p256dh == KEYS["p256dh"]


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"address": "two words"}, 422, "/address"),
        ({"gateway": "apns"}, 422, "/address"),
        ({"gateway": "pigeon"}, 422, "/gateway"),
        ({"gateway": "webpush", "address": "https://evil.example/x"}, 422, "/address"),
        ({"gateway": "webpush", "address": "https://fcm.googleapis.com/x"}, 422, "/p256dh"),
        ({"permission": "maybe"}, 422, "/permission"),
        ({"environment": "moon"}, 422, "/environment"),
        ({"zone": "Mars/Phobos"}, 422, "/zone"),
        ({"consent": {"version": "1"}}, 422, "/consent/text"),
        ({"external_id": "a\n"}, 422, "/external_id"),
        ({"token": "x"}, 400, "/token"),
    ],
)
def test_what_could_not_be_pushed_to_is_refused_with_a_pointer(api, change, status, pointer):
    response = api("post", "/api/devices", phone() | change)
    assert (response.status_code, response.json()["pointer"]) == (status, pointer)
    assert not Device.objects.exists()


def test_a_thousand_devices_come_in_at_once_or_not_at_all(api, django_assert_max_num_queries):
    many = [phone(f"p-{n}", key=f"k-{n}", address=f"{n}:token") for n in range(1000)]
    with django_assert_max_num_queries(30):
        found = api("post", "/api/devices/bulk", {"devices": many}).json()
    assert (len(set(found["results"])), found["erased"], Device.objects.count()) == (1000, [], 1000)
    bad = api("post", "/api/devices/bulk", {"devices": [phone("new", key="x"), phone("new", address="not one")]})
    assert (bad.status_code, bad.json()["pointer"]) == (422, "/devices/1/address")
    assert not Profile.objects.filter(external_id="new").exists()


def test_nothing_is_registered_for_who_was_erased(api):
    make.profile("gone", erased_at=make.NOW)
    response = api("post", "/api/devices", phone("gone"))
    assert (response.status_code, response.json()["pointer"]) == (422, "/external_id")
    found = api("post", "/api/devices/bulk", {"devices": [phone("gone"), phone("ada")]}).json()
    assert (found["results"][0], found["erased"]) == (None, ["/devices/0"])
    assert Device.objects.get().profile.external_id == "ada"


def test_a_grant_is_in_the_ledger_only_with_the_words_that_the_person_saw(api):
    api("post", "/api/devices", phone())
    assert not ConsentEntry.objects.exists()
    api("post", "/api/devices", phone(consent={"text": "May we?", "version": "3", "source": "onboarding"}))
    entry = ConsentEntry.objects.get()
    assert (entry.decision, entry.text, entry.text_version, entry.source) == ("in", "May we?", "3", "onboarding")


def test_permission_health_and_choice_are_three_states_that_do_not_follow_from_one_another(api):
    make.fcm_credential()
    path = f"/api/devices/{api('post', '/api/devices', phone(consent={'text': 'May we?'})).json()['id']}"
    epoch = Standing.objects.get().epoch
    denied = api("patch", path, {"permission": "denied"}).json()
    assert (denied["permission"], denied["health"], denied["reason"]) == ("denied", "works", "no_permission")
    assert denied["permission_lost_at"]
    assert Standing.objects.get().epoch == epoch + 1
    assert Choice.objects.get().decision == "in"
    Device.objects.update(quarantined_at=make.NOW, quarantine_reason="gone")
    dead = api("patch", path, {"permission": "granted"}).json()
    assert (dead["permission"], dead["health"], dead["health_reason"], dead["reason"]) == (
        "granted",
        "dead",
        "gone",
        "address_dead",
    )
    assert api("patch", path, {"permission": "sometimes"}).status_code == 422
    assert api("patch", path, {"address": "x"}).status_code == 400
    assert Choice.objects.get().decision == "in"


def test_a_device_without_a_credential_for_its_app_says_so(api):
    assert api("post", "/api/devices", phone()).json()["reason"] == "credential_missing"
    make.fcm_credential()
    assert api("get", "/api/profiles/ada/devices").json()["results"][0]["reason"] == ""


@pytest.mark.parametrize("way", ["id", "key", "address"])
def test_a_logout_ends_what_is_personal_until_the_next_registration(api, way):
    shown = api("post", "/api/devices", phone()).json()
    if way == "id":
        assert api("post", f"/api/devices/{shown['id']}/detach", {}).json()["detached_at"]
    else:
        said = {"key": "phone"} if way == "key" else {"address": FCM}
        assert api("post", "/api/devices/detach", said).json() == {"detached": 1}
    assert not Device.objects.live().exists()
    api("post", "/api/devices", phone())
    assert Device.objects.live().exists()
    assert api("post", "/api/devices/detach", {}).status_code == 422


def test_a_deleted_device_is_gone_with_its_address_and_what_it_got_stays_on_record(api, real_now):
    shown = api("post", "/api/devices", phone()).json()
    device = Device.objects.get()
    wave = make.wave(wave_on=real_now.date(), due_at=real_now, expires_at=real_now)
    message = make.message(wave, device.profile)
    Push.objects.create(
        wave=wave,
        wave_on=wave.wave_on,
        message_id=message.pk,
        profile=device.profile,
        device=device,
        send_key="test",
        intent_at=real_now,
    )
    assert api("delete", f"/api/devices/{shown['id']}").status_code == 204
    assert not Device.objects.exists()
    assert Push.objects.count() == 1
    for method in ("get", "delete"):
        assert api(method, f"/api/devices/{shown['id']}").status_code == 404
    assert api("patch", f"/api/devices/{uuid.uuid4()}", {"permission": "denied"}).status_code == 404


def test_devices_need_the_scope(redis_server):
    read, write = (caller(create_key(scope, [scope])[1]) for scope in ("read", "write"))
    assert read("post", "/api/devices", phone()).status_code == 403
    shown = write("post", "/api/devices", phone()).json()
    assert read("get", f"/api/devices/{shown['id']}").status_code == 200
    assert write("get", f"/api/devices/{shown['id']}").status_code == 403
    assert read("delete", f"/api/devices/{shown['id']}").status_code == 403


def test_a_list_of_devices_costs_the_same_however_many_they_are(api, django_assert_max_num_queries):
    ada = make.profile("ada")
    for _ in range(30):
        make.device(ada)
    with django_assert_max_num_queries(5):
        assert len(api("get", "/api/profiles/ada/devices").json()["results"]) == 30
