"""Which credential serves which device."""

import datetime as dt

import pytest
from msgspec.structs import replace

from delivery.gates.facts import DeviceFacts
from delivery.models import Credential
from delivery.routes import Routes

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
PHONE = DeviceFacts(1, "apns", "token", "", "", "", "granted", False, False, False, "", "", NOW, {})


def routes(*credentials):
    made = tuple(Credential(pk=100 - n, **one) for n, one in enumerate(credentials))
    return Routes(made, {one.pk: one for one in made})


def served(among, **values):
    device = replace(PHONE, **values)
    among.serve([device])
    return device.credential_id


def test_a_subscription_is_pushed_to_with_the_key_that_it_was_made_under():
    among = routes({"gateway": "webpush", "public_key": "new"}, {"gateway": "webpush", "public_key": "old"})
    assert served(among, gateway="webpush", sender_key="old") == 99
    assert served(among, gateway="webpush", sender_key="") == 100


@pytest.mark.parametrize(
    ("app", "environment", "credential"),
    [
        ("com.shop", "", 100),
        ("com.shop", "sandbox", 99),
        ("com.other", "", 98),
        ("", "sandbox", 98),
        ("com.other", "sandbox", 98),
    ],
)
def test_an_app_has_its_own_credential_in_its_own_environment(app, environment, credential):
    among = routes(
        {"gateway": "apns", "app": "com.shop", "environment": "production"},
        {"gateway": "apns", "app": "com.shop", "environment": "sandbox"},
        {"gateway": "apns", "app": ""},
    )
    assert served(among, app=app, environment=environment) == credential


def test_a_device_without_a_credential_is_not_live():
    device = replace(PHONE)
    routes({"gateway": "webpush", "public_key": "x"}).serve([device])
    assert device.why_not_live == "credential_missing"
