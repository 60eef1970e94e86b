"""The devices on a profile's page: three separate states each, and what it would take to reach them."""

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from audiences.models import Device, Profile
from delivery.models import Push
from tests import make

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


@pytest.fixture
def page(real_now):
    """The page's text of a profile whose devices the test has made."""
    client = Client()
    client.force_login(User.objects.create_superuser("olive"))

    def fetch(profile):
        html = client.get(reverse("console:audiences_profile_change", args=[profile.pk])).content.decode()
        return " ".join(html.split())

    return fetch


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, ["granted", ">works<"]),
        (
            {"permission": "denied", "permission_lost_at": make.NOW},
            ["denied", "since 24 Nov 2026", ">works<", "It does not allow notifications", "settings allow"],
        ),
        ({"permission": "default"}, ["not asked", "The person is asked, and says yes."]),
        (
            {"quarantined_at": make.NOW, "quarantine_reason": "gone"},
            ["granted", ">dead<", "The push service says that this device is gone", "registers a new address"],
        ),
        (
            {"quarantined_at": make.NOW, "quarantine_reason": "superseded"},
            ["Another address took its place", "Nothing:"],
        ),
        ({"needs_resubscribe_at": make.NOW}, ["must subscribe again", "opens your site once"]),
        ({"detached_at": make.NOW}, ["Signed out", "Somebody signs in on it."]),
        (
            {"gateway": "fcm", "platform": "android", "app": "com.example.shop", "app_version": "2.1"},
            ["com.example.shop 2.1", "There is no push credential for its app", "You add a push credential"],
        ),
    ],
)
def test_each_device_tells_its_states_apart_and_what_it_would_take(page, values, says):
    make.credential()
    device = make.device(make.profile("ada"), **({"last_seen_at": dt.datetime.now(dt.UTC)} | values))
    text = page(device.profile)
    for words in says:
        assert words in text
    assert ("Not pushed to." in text) == bool(values)


def test_an_android_phone_not_seen_for_a_month_is_called_stale_and_is_still_pushed_to(page, real_now):
    make.fcm_credential()
    device = make.device(make.profile(), gateway="fcm", platform="android", last_seen_at=real_now - 40 * DAY)
    text = page(device.profile)
    assert "not seen for a month" in text
    assert "Not pushed to." not in text


def test_a_push_to_a_device_that_was_deleted_is_still_told(page, real_now):
    ada = make.profile("ada")
    wave = make.wave(wave_on=real_now.date(), due_at=real_now, expires_at=real_now + DAY, created_at=real_now)
    message = make.message(wave, ada, state="sent")
    Push.objects.create(
        wave=wave,
        wave_on=wave.wave_on,
        message_id=message.pk,
        profile=ada,
        device=make.device(ada),
        send_key="test",
        state="sent",
        intent_at=real_now,
    )
    Device.objects.all().delete()
    assert "to a device that was deleted" in page(ada)


def test_the_page_costs_the_same_with_more_devices(page, django_assert_max_num_queries):
    make.credential()
    one, many = make.profile("one"), make.profile("many")
    make.device(one)
    for _ in range(15):
        make.device(many)
    page(one)
    for profile in Profile.objects.order_by("pk"):
        with django_assert_max_num_queries(22):
            page(profile)
