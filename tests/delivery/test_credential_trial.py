"""Whether a gateway takes a credential is known before anything is sent with it."""

import json

import pytest

from delivery.credential_trial import try_out
from tests import make

pytestmark = pytest.mark.django_db
NOBODY = "0" * 64


def test_a_service_account_that_google_takes(fcm_service, real_now):
    fcm_service.control(scripts={"trial": ["400:INVALID_ARGUMENT"]})
    assert try_out(make.fcm_credential(), now=real_now).is_taken is True
    (request,) = fcm_service.requests
    assert "error" not in request
    assert request["validate_only"] is True


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"accounts": {}}, "invalid_grant"),
        ({"default": "403:PERMISSION_DENIED"}, "does not accept it. It says: 403 PERMISSION_DENIED"),
        ({"default": "403:SENDER_ID_MISMATCH"}, "another project"),
        ({"default": "404:NOT_FOUND"}, "does not know the project"),
        ({"default": "401:UNAUTHENTICATED"}, "does not accept it"),
    ],
)
def test_a_service_account_that_google_refuses_is_told_why(fcm_service, real_now, state, words):
    fcm_service.control(**state)
    trial = try_out(make.fcm_credential(), now=real_now)
    assert trial.is_taken is False
    assert words in trial.says


def test_a_key_that_apple_takes_for_this_app(apns_service, real_now):
    apns_service.control(scripts={NOBODY: ["400:BadDeviceToken"]})
    assert try_out(make.apns_credential(), now=real_now).is_taken is True
    (request,) = apns_service.requests
    assert "error" not in request


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("403:InvalidProviderToken", "does not accept it"),
        ("403:BadEnvironmentKeyIdInToken", "BadEnvironmentKeyIdInToken"),
        ("400:TopicDisallowed", "look at the bundle id"),
        ("400:BadTopic", "look at the bundle id"),
    ],
)
def test_a_key_that_apple_refuses_is_told_why(apns_service, real_now, step, words):
    apns_service.control(scripts={NOBODY: [step]})
    trial = try_out(make.apns_credential(), now=real_now)
    assert trial.is_taken is False
    assert words in trial.says


@pytest.mark.parametrize("step", ["500:InternalServerError", "reset-after"])
def test_a_gateway_in_trouble_says_nothing_of_the_credential(apns_service, real_now, step):
    apns_service.control(scripts={NOBODY: [step]})
    assert try_out(make.apns_credential(), now=real_now).is_taken is None


def test_a_token_service_that_is_away_says_nothing_of_the_credential(fcm_service, real_now):
    fcm_service.control(scripts={"mint": ["500"]})
    assert try_out(make.fcm_credential(), now=real_now).is_taken is None


def test_a_browsers_key_cannot_be_tried(real_now):
    assert try_out(make.credential(), now=real_now).is_taken is None


def test_what_is_said_holds_no_secret(fcm_service, real_now):
    fcm_service.control(default="403:PERMISSION_DENIED")
    says = try_out(make.fcm_credential(), now=real_now).says
    assert json.loads(make.service_account())["private_key"][60:90] not in says
    assert "ya29" not in says
