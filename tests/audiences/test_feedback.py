"""What gateways and time say about addresses."""

import datetime as dt

import pytest

from audiences import devices, feedback
from audiences.feedback import Spoken
from audiences.ingest import accept
from audiences.models import Choice, Device, Standing
from tests import make
from tests.audiences.test_devices import registration

pytestmark = pytest.mark.django_db
SECOND, DAY = dt.timedelta(seconds=1), dt.timedelta(days=1)


def test_a_dead_address_is_kept_with_its_reason_and_revived_by_registering(now):
    owner = make.profile()
    device = devices.register([registration(owner, key="k")], now=now)[0]
    feedback.quarantine([Spoken(device.pk, device.address, now)], reason="gone", now=now)
    device.refresh_from_db()
    assert (device.quarantine_reason, device.quarantined_at) == ("gone", now)
    devices.register([registration(owner, key="k")], now=now)
    assert Device.objects.live().exists()


@pytest.mark.parametrize("address", ["k", "new"])
def test_what_a_gateway_says_of_an_address_does_not_count_for_one_registered_since(now, address):
    """C13: the answer is older than the registration, or speaks of the address before."""
    owner = make.profile()
    before = devices.register([registration(owner, "k", key="k")], now=now)[0]
    spoken = Spoken(before.pk, before.address, now + SECOND)
    devices.register([registration(owner, address, key="k")], now=now + 2 * SECOND)
    assert feedback.quarantine([spoken], reason="gone", now=now + 3 * SECOND) == set()
    assert feedback.ask_to_resubscribe([spoken], now=now + 3 * SECOND) == set()
    assert feedback.switch_environment([spoken]) == set()
    assert Device.objects.live().get().environment == ""


def test_one_bounce_that_came_before_the_registration_leaves_the_token(now):
    owner = make.profile("ada")
    device = make.device(owner, gateway="fcm", address="t" * 60, registered_at=now, last_seen_at=now)
    call = {"type": "track", "userId": "ada", "event": "Push Notification Bounced"}
    context = {"device": {"token": device.address, "type": "android"}}
    for when, is_dead in ((now - SECOND, False), (now + SECOND, True)):
        accept([call | {"context": context, "timestamp": when}], source=None, now=now + 2 * SECOND)
        assert (Device.objects.get().quarantine_reason == "bounced") == is_dead


def test_an_android_token_not_seen_for_270_days_is_dead_and_comes_back_with_its_app(now):
    """FCM has dropped it; Apple's and browsers' addresses do not age so."""
    for number, (gateway, platform, days) in enumerate(
        [
            ("fcm", "android", 271),
            ("fcm", "android", 269),
            ("fcm", "ios", 271),
            ("apns", "ios", 400),
            ("webpush", "web", 400),
        ]
    ):
        owner = make.profile(f"p{number}")
        make.device(owner, gateway=gateway, platform=platform, address=f"{number}:t", last_seen_at=now - days * DAY)
    assert feedback.expire_unseen(now=now) == 1
    assert feedback.expire_unseen(now=now) == 0
    dead = Device.objects.get(quarantine_reason="stale")
    assert (dead.profile.external_id, dead.quarantined_at) == ("p0", now)
    assert Standing.objects.get(profile=dead.profile).epoch == 1
    assert not Choice.objects.exists()
    context = {"device": {"token": "0:t", "type": "android"}}
    accept([{"type": "screen", "userId": "p0", "context": context}], source=None, now=now + SECOND)
    assert Device.objects.get(pk=dead.pk).quarantined_at is None


def test_expiring_takes_slices_and_leaves_the_rest_for_the_next_turn(now, monkeypatch):
    monkeypatch.setattr(feedback, "SLICE", 2)
    owner = make.profile()
    for number in range(5):
        make.device(owner, gateway="fcm", address=str(number), last_seen_at=now - 271 * DAY)
    assert [feedback.expire_unseen(now=now, most=1) for _ in range(4)] == [2, 2, 1, 0]


@pytest.mark.parametrize(("days", "health"), [(29, "works"), (31, "stale")])
def test_an_android_token_not_seen_for_a_month_is_called_stale_and_is_still_pushed_to(now, days, health):
    device = make.device(make.profile(), gateway="fcm", platform="android", last_seen_at=now - days * DAY)
    assert device.health(now=now) == health
    assert Device.objects.live().exists()
