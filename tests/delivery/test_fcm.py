"""FCM from a service account to the answer, against a server that checks what Google checks."""

import pytest

from delivery.gateways.base import Action
from tests import make
from tests.delivery.letters import gateway_of, letter
from tests.gateways.fcm import FcmService

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway(fcm_service, certificate):
    with gateway_of(make.fcm_credential(), certificate) as made:
        yield made


def test_a_push_is_sent_with_a_token_of_the_service_account(fcm_service, gateway, real_now):
    gateway.prepare(now=real_now)
    (outcome,) = gateway.send([letter(FcmService.token(1))], now=real_now)
    assert (outcome.action, outcome.status) == (Action.SENT, "200")
    assert outcome.reference.startswith("projects/shop-1/messages/")
    (mint,), (push,) = fcm_service.mints, fcm_service.requests
    assert mint["claims"]["iss"] == "push@shop-1.iam.gserviceaccount.com"
    assert mint["claims"]["iat"] == int(real_now.timestamp())
    assert "error" not in push
    assert push["headers"]["authorization"] == "Bearer ya29.token-1"
