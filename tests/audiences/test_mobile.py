"""Push tokens that come along with the calls of mobile SDKs."""

import datetime as dt
import random
import string

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audiences import devices
from audiences.ingest import accept
from audiences.models import Choice, Device, FormerOwner, Standing
from tests import make
from tests.conftest import NOW

pytestmark = pytest.mark.django_db
SECOND, DAY = dt.timedelta(seconds=1), dt.timedelta(days=1)
TOKEN = "fMEP0vJqS6:APA91b" + "x" * 120
APNS = "0123456789abcdef" * 4


def call(
    who=None, *, visitor=None, token=TOKEN, type="android", id="phone", at=NOW, app=None, event="Opened", **device
):
    named = ({"userId": who} if who else {}) | ({"anonymousId": visitor} if visitor else {})
    context = {"device": {"token": token, "type": type, **({"id": id} if id else {}), **device}}
    return {
        "type": "track",
        "event": event,
        "timestamp": at,
        "context": context | ({"app": app} if app else {}),
        **named,
    }


def send(*calls, source=None, now=NOW, **more):
    return accept(calls, source=source, now=now, **more)


def test_a_phone_says_its_app_and_environment_and_tokens_of_apple_are_kept_in_small_letters():
    app = {"namespace": "com.example.shop", "version": "4.1"}
    send(call("ada", token=APNS.upper(), type="iOS", app=app, environment="sandbox"))
    device = Device.objects.get()
    assert (device.gateway, device.address, device.platform, device.key) == ("apns", APNS, "ios", "apns:phone")
    assert (device.app, device.app_version, device.environment) == ("com.example.shop", "4.1", "sandbox")


def test_an_iphone_whose_app_takes_its_pushes_from_firebase_is_pushed_to_by_firebase():
    send(call("ada", type="ios"))
    assert (Device.objects.get().gateway, Device.objects.get().platform) == ("fcm", "ios")


@pytest.mark.parametrize(
    ("type", "token"),
    [
        ("ios", "tok"),
        ("ios", "ab" * 31),
        ("ios", "ab" * 101),
        ("ios", "abc" * 33),
        ("ios", "é" * 64),
        ("android", "x" * 4097),
        ("android", "two words"),
        ("android", "ümlaut"),
        ("android", "nul\0"),
        ("toaster", TOKEN),
    ],
)
def test_what_can_be_no_token_registers_nothing_and_the_event_is_kept(type, token):
    assert send(call("ada", type=type, token=token)).stored == 1
    assert not Device.objects.exists()


def test_the_longest_token_of_firebase_is_kept_and_found_again():
    token = "".join(random.choices(string.ascii_letters + string.digits, k=4096))
    for id in ("one", "two"):
        send(call("ada", token=token, id=id))
    assert Device.objects.get().address == token


def test_a_token_that_is_repeated_costs_one_look_up_and_is_seen_once_a_day():
    send(call("ada"))
    with CaptureQueriesContext(connection) as queries:
        send(*(call("ada", at=NOW + SECOND) for _ in range(20)), now=NOW + SECOND)
    assert len([q for q in queries if "audiences_device" in q["sql"]]) == 1
    assert Device.objects.get().last_seen_at == NOW
    epoch = Standing.objects.get().epoch
    send(call("ada", at=NOW + 2 * DAY), now=NOW + 2 * DAY)
    assert Device.objects.get().last_seen_at == NOW + 2 * DAY
    assert Device.objects.get().registered_at == NOW
    assert Standing.objects.get().epoch == epoch


def test_a_rotated_token_moves_the_phone_that_says_its_id():
    """C12."""
    send(call("ada"))
    before = Device.objects.get()
    send(call("ada", token="new:" + TOKEN, at=NOW + SECOND), now=NOW + SECOND)
    after = Device.objects.get()
    assert (after.pk, after.address) == (before.pk, "new:" + TOKEN)


def test_a_permission_that_is_not_said_stays_as_it_was():
    send(call("ada", permission="denied"))
    send(call("ada", app={"version": "2"}), now=NOW + SECOND)
    assert (Device.objects.get().permission, Device.objects.get().app_version) == ("denied", "2")


def test_a_grant_that_is_said_is_in_the_ledger_and_one_that_is_assumed_is_not():
    send(call("ada", id="a", token="a:1"))
    assert not Choice.objects.exists()
    send(call("bob", id="b", token="b:1", permission="granted"))
    choice = Choice.objects.get()
    assert (choice.profile.external_id, choice.decision, choice.entry.source) == ("bob", "in", "app permission")


def test_who_logs_in_has_the_phone_and_the_one_before_is_remembered():
    """C15, C17."""
    send(call("ada"))
    send(call("bob", at=NOW + SECOND), now=NOW + SECOND)
    device = Device.objects.get()
    assert device.profile.external_id == "bob"
    assert FormerOwner.objects.get().profile.external_id == "ada"
    send(call("ada", at=NOW + 2 * SECOND), now=NOW + 2 * SECOND)
    assert Device.objects.get().profile.external_id == "ada"
    assert FormerOwner.objects.get().profile.external_id == "bob"


def test_calls_that_come_late_do_not_take_the_phone_back():
    """What was queued on the phone before somebody else logged in is old news when it comes."""
    send(call("ada", at=NOW))
    send(call("bob", at=NOW + 9 * SECOND), now=NOW + 10 * SECOND)
    send(call("ada", at=NOW + 5 * SECOND), now=NOW + 20 * SECOND)
    assert Device.objects.get().profile.external_id == "bob"
    send(call("bob", at=NOW + 25 * SECOND), call("ada", at=NOW + 24 * SECOND), now=NOW + 30 * SECOND)
    assert Device.objects.get().profile.external_id == "bob"


def test_after_a_logout_the_next_visitor_gets_nothing_until_somebody_logs_in():
    """C16: an SDK that was reset repeats its token for a visitor whom nobody asked."""
    send(call("ada"))
    send(call(visitor="v", at=NOW + SECOND), now=NOW + SECOND)
    device = Device.objects.get()
    assert (device.profile.external_id, device.detached_at) == ("ada", NOW + SECOND)
    assert not Device.objects.live().exists()
    send(call(visitor="v", at=NOW + 2 * SECOND), now=NOW + 2 * SECOND)
    assert Device.objects.get().detached_at == NOW + SECOND
    send(call("bob", at=NOW + 3 * SECOND), now=NOW + 3 * SECOND)
    assert Device.objects.live().get().profile.external_id == "bob"


def test_a_visitor_who_said_yes_has_the_phone_after_a_logout():
    from audiences import consent

    visitor = make.anonymous("v")
    consent.record([consent.NewChoice(profile_id=visitor.pk, topic_id=None, decision="in", source="test")], now=NOW)
    send(call("ada"))
    send(call(visitor="v", at=NOW + SECOND), now=NOW + SECOND)
    assert Device.objects.live().get().profile == visitor


def test_a_phone_that_was_logged_out_stays_so_for_calls_from_before():
    send(call("ada"))
    devices.detach(keys=["fcm:phone"], now=NOW + 10 * SECOND)
    send(call("ada", at=NOW + 5 * SECOND), now=NOW + 20 * SECOND)
    assert not Device.objects.live().exists()
    send(call("ada", at=NOW + 15 * SECOND), now=NOW + 30 * SECOND)
    assert Device.objects.live().exists()


def test_two_phones_that_swap_their_tokens_in_one_batch_keep_one_each():
    send(call("ada", id="a", token="a:1"), call("bob", id="b", token="b:1"))
    send(
        call("ada", id="a", token="b:1", at=NOW + SECOND),
        call("bob", id="b", token="a:1", at=NOW + SECOND),
        now=NOW + SECOND,
    )
    found = {device.key: (device.address, device.profile.external_id) for device in Device.objects.all()}
    assert found == {"fcm:a": ("b:1", "ada"), "fcm:b": ("a:1", "bob")}


def test_there_is_room_for_so_many_new_devices_and_known_ones_need_none():
    asked = []

    def room(wanted):
        asked.append(wanted)
        return 2

    calls = [call(f"p{n}", id=None, token=f"{n}:t") for n in range(5)]
    send(*calls, device_room=room)
    assert (asked, Device.objects.count()) == ([5], 2)
    known = Device.objects.order_by("pk").values_list("address", flat=True)
    send(*(one for one in calls if one["context"]["device"]["token"] in known), device_room=room)
    assert asked == [5]
