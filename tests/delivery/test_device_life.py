"""Phones of both kinds, from registration to the push: rotation, death and coming back, against scripted gateways."""

import datetime as dt

import pytest

from audiences.ingest import accept
from audiences.models import Device, Profile
from delivery.models import Message, Push
from tests import make
from tests.delivery.sending import drain, planned, states
from tests.gateways.apns import ApnsService
from tests.gateways.fcm import FcmService

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def site(redis_server):
    make.no_quiet_hours()


def says(who, token, type, *, app="", **device):
    """An app's SDK sends an event, and with it its token."""
    context = {"device": {"id": "phone", "type": type, "token": token, **device}, "app": {"namespace": app}}
    call = {"type": "track", "event": "Application Opened", "userId": who, "context": context}
    accept([call], source=None, now=dt.datetime.now(dt.UTC))
    return Profile.objects.get(external_id=who)


def due_again():
    Message.objects.update(due_at=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1))
    Push.objects.update(due_at=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1))
    drain()


def test_a_push_that_waits_follows_the_phone_to_its_new_token(fcm_service, real_now):
    """C12: both tokens are alive; the old one was busy, the new one gets it, and it is one push."""
    make.fcm_credential()
    old, new = FcmService.token(0), FcmService.token(1)
    fcm_service.control(scripts={old: ["503", "200"]})
    wave = planned([says("ada", old, "android")], now=real_now)
    drain()
    assert states(wave) == {"queued(gateway_trouble)": 1}
    says("ada", new, "android")
    due_again()
    assert states(wave) == {"sent": 1}
    assert [r["token"] for r in fcm_service.requests if r["token"] != "mint"] == [old, new]
    assert Push.objects.get(wave=wave).attempt == 2
    assert Device.objects.get().address == new


@pytest.mark.parametrize(("seconds", "dead"), [(-3600, False), (3600, True)])
def test_apples_word_that_is_older_than_the_registration_keeps_the_token(apns_service, real_now, seconds, dead):
    """C13: the timestamp of a 410 says since when Apple knows."""
    make.apns_credential()
    token = ApnsService.token(7)
    since = int((real_now.timestamp() + seconds) * 1000)
    apns_service.control(scripts={token: [f"410:Unregistered@{since}", "200"]})
    wave = planned([says("ada", token, "ios", app=make.APP)], now=real_now)
    drain()
    assert Device.objects.live().exists() == (not dead)
    assert states(wave) == ({"dropped(gone)": 1} if dead else {"queued(address_renewed)": 1})
    due_again()
    assert states(wave) == ({"dropped(gone)": 1} if dead else {"sent": 1})


def test_a_dead_token_comes_back_when_its_app_says_it_again(fcm_service, real_now):
    make.fcm_credential()
    token = FcmService.token(3)
    fcm_service.control(scripts={token: ["404:UNREGISTERED", "200"]})
    ada = says("ada", token, "android")
    planned([ada], now=real_now)
    drain()
    assert Device.objects.get().quarantined_at
    says("ada", token, "android")
    second = planned([ada], now=real_now)
    drain()
    assert states(second) == {"sent": 1}


def test_each_phone_is_pushed_to_as_the_app_and_environment_that_it_named(apns_service, fcm_service, real_now):
    make.apns_credential()
    make.fcm_credential()
    ada = says("ada", ApnsService.token(1), "ios", app=make.APP, environment="production")
    context = {"device": {"id": "tablet", "type": "android", "token": FcmService.token(1)}}
    accept([{"type": "screen", "userId": "ada", "context": context}], source=None, now=real_now)
    wave = planned([ada], now=real_now)
    drain()
    assert states(wave) == {"sent": 1}
    assert [r["headers"]["apns-topic"] for r in apns_service.requests] == [make.APP]
    assert [r["payload"]["data"]["body"] for r in fcm_service.requests if r["token"] != "mint"] == [f"for {ada.pk}"]
