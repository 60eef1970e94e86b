"""What has stopped is told on every page to whoever may mend it, and one click lets it go on."""

import datetime as dt

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audiences.models import Device
from campaigns.models import Campaign
from console import stops
from delivery import holds, losses
from delivery.models import Hold, Loss, Wave
from tests import make

pytestmark = pytest.mark.django_db

PAGES = ("index", "campaigns_campaign_changelist", "audiences_topic_add", "reports", "delivery_sendingrules_changelist")
FCM = "https://fcm.googleapis.com"


def signed_in(role: str) -> Client:
    member = User.objects.create_user(f"a {role}", password="a long password", is_staff=True)
    member.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(member)
    return client


@pytest.fixture
def owner() -> Client:
    return signed_in("Owner")


def at(name: str, *args: object) -> str:
    return reverse(f"console:{name}", args=args)


def hold(credential, reason="unauthorized", origin=FCM, **values):
    return Hold.objects.create(
        credential=credential, origin=origin, reason=reason, since=dt.datetime.now(dt.UTC), **values
    )


def paused_campaign(reason):
    campaign = make.campaign(name="Spring", state=Campaign.State.PAUSED)
    make.wave(origin=campaign.origin, state=Wave.State.PAUSED, state_reason=reason)
    return campaign


def shown(client: Client, page: str = "index") -> str:
    return client.get(at(page), follow=True).content.decode()


@pytest.mark.parametrize("page", PAGES)
def test_a_refused_credential_is_told_on_every_page_with_what_to_mend(owner, page):
    hold(make.credential(name="Shop"))
    html = shown(owner, page)
    assert "fcm.googleapis.com refuses the key of “Shop”." in html
    assert "this server&#x27;s clock is right" in html
    assert html.count('class="hd-stop"') == 1


def test_only_who_may_mend_it_is_asked_to(owner):
    hold(make.credential(name="Shop"))
    paused_campaign("Something is wrong.")
    assert shown(owner).count('class="hd-stop"') == 2
    marketer = shown(signed_in("Marketer"), "reports")
    assert "“Spring” was paused." in marketer
    assert "refuses the key" not in marketer
    developer = shown(signed_in("Developer"), "reports")
    assert "refuses the key" in developer
    assert "was paused" not in developer
    assert "hd-stop" not in shown(signed_in("Analyst"), "reports")


def test_one_click_lets_a_credential_go_on(owner):
    credential = make.credential()
    hold(credential)
    html = shown(owner)
    assert f'action="{at("credential_resume", credential.pk)}"' in html
    owner.post(at("credential_resume", credential.pk))
    assert not Hold.objects.exists()
    assert "hd-stop" not in shown(owner)


def test_one_click_lifts_what_it_speaks_of_and_nothing_else(owner):
    credential = make.credential()
    one = hold(credential)
    other = hold(credential, origin="https://updates.push.services.mozilla.com")
    assert f'name="hold" value="{one.pk}"' in shown(owner)
    owner.post(at("credential_resume", credential.pk), {"hold": one.pk})
    assert Hold.objects.get() == other


def test_one_click_lets_a_campaign_go_on(owner):
    campaign = paused_campaign("Push services refuse its messages: see the errors.")
    html = shown(owner)
    assert "Push services refuse its messages" in html
    owner.post(at("campaign_deed", campaign.pk, "resume"))
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.RUNNING
    assert "hd-stop" not in shown(owner)


def test_a_campaign_that_somebody_paused_is_no_news(owner):
    campaign = make.campaign(state=Campaign.State.RUNNING)
    make.wave(origin=campaign.origin)
    owner.post(at("campaign_deed", campaign.pk, "pause"))
    assert "hd-stop" not in shown(owner)


def test_what_has_stopped_costs_no_query_where_it_was_asked_for_lately(owner):
    hold(make.credential())
    shown(owner, "reports")
    with CaptureQueriesContext(connection) as asked:
        assert "hd-stop" in shown(owner, "reports")
    assert not [one for one in asked if "delivery_hold" in one["sql"]]


def test_without_redis_it_is_told_all_the_same(owner, settings):
    hold(make.credential())
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert "hd-stop" in shown(owner, "reports")


def test_home_tells_it_to_those_who_cannot_mend_it_and_not_twice_to_the_others(owner):
    hold(make.credential(name="Shop"))
    assert "refuses the key of “Shop”" in shown(signed_in("Analyst"))
    assert shown(owner).count("refuses the key of “Shop”") == 1


@pytest.mark.parametrize(
    ("gateway", "reason", "says"),
    [
        ("fcm", "unauthorized", "Google refuses the service account of “App”."),
        ("fcm", "other_project", "belong to another Firebase project"),
        ("apns", "wrong_environment", "belong to Apple&#x27;s other environment"),
        ("apns", "unauthorized", "Apple refuses the key of “App”."),
        ("apns", "something_new", "Apple refuses what “App” sends."),
    ],
)
def test_each_gateway_says_what_is_wrong_in_its_own_words(owner, gateway, reason, says):
    hold(make.credential(name="App", gateway=gateway), reason=reason, origin="https://gateway.example")
    assert says in shown(owner)


@pytest.fixture
def dropped():
    """A mass drop: three devices set aside, one of them long before; the origin held, a campaign paused by it."""
    now = dt.datetime.now(dt.UTC)
    credential = make.credential(name="Shop")
    for minutes in (10, 10, 600):
        device = make.device(make.profile(), sender_key=credential.public_key)
        Device.objects.filter(pk=device.pk).update(
            quarantined_at=now - dt.timedelta(minutes=minutes), quarantine_reason="gone"
        )
    Loss.objects.create(credential=credential, origin=FCM, count=400, since=now - dt.timedelta(minutes=11))
    hold(credential, reason=losses.REASON)
    paused_campaign(losses.PAUSED_BECAUSE)
    return credential


def dead() -> int:
    return Device.objects.filter(quarantined_at__isnull=False).count()


def test_devices_that_were_set_aside_by_mistake_come_back_with_one_click(owner, dropped):
    html = shown(owner, "reports")
    assert "calls nearly every device of “Shop” dead" in html
    assert 'name="devices" value="back"' in html
    answer = owner.post(at("credential_resume", dropped.pk), {"devices": "back"}, follow=True)
    assert "2 devices are back" in answer.content.decode()
    assert dead() == 1
    assert not Hold.objects.exists()
    assert Campaign.objects.get().state == Campaign.State.RUNNING
    assert Loss.objects.get().count == 0


def test_devices_that_are_really_gone_stay_away(owner, dropped):
    html = owner.get(at("credential_resume", dropped.pk)).content.decode()
    assert "2 devices were set aside" in html
    owner.post(at("credential_resume", dropped.pk), {"devices": "gone"})
    assert dead() == 3
    assert not Hold.objects.exists()
    assert Loss.objects.get().believed_until > dt.datetime.now(dt.UTC) + dt.timedelta(hours=23)


def test_devices_are_brought_back_since_any_moment(owner, dropped):
    where = at("credential_devices", dropped.pk)
    html = owner.get(where).content.decode()
    assert "Bring all 2 devices back" in html
    long_ago = f"{dt.datetime.now(dt.UTC) - dt.timedelta(days=1):%Y-%m-%dT%H:%M}"
    assert "Bring all 3 devices back" in owner.get(where, {"since": long_ago}).content.decode()
    owner.post(where, {"since": long_ago})
    assert dead() == 0
    assert "No device was set aside" in owner.get(where).content.decode()


def test_a_moment_that_is_none_is_refused(owner, dropped):
    where = at("credential_devices", dropped.pk)
    assert "Give a day and a time" in owner.post(where, {"since": "yesterday"}).content.decode()
    assert dead() == 3


def test_a_credential_is_paused_by_hand_and_says_by_whom(owner):
    credential = make.credential(name="Shop")
    assert owner.get(at("credential_pause", credential.pk)).status_code == 405
    owner.post(at("credential_pause", credential.pk))
    assert Hold.objects.get().origin == holds.EVERYWHERE
    html = shown(owner, "reports")
    assert "“Shop” is paused." in html
    assert "Paused by a Owner." in html


def test_a_marketer_can_neither_pause_nor_bring_back(dropped):
    marketer = signed_in("Marketer")
    for name in ("credential_pause", "credential_resume", "credential_devices"):
        assert marketer.post(at(name, dropped.pk)).status_code == 403
    stops.forget()
    assert Hold.objects.exists()


@pytest.fixture
def refused(fcm_service):
    """An app's credential that Google refuses, and still would."""
    credential = make.fcm_credential()
    hold(credential, origin="https://fcm.example")
    fcm_service.control(accounts={})
    return credential


def test_resume_tries_a_refused_key_first_and_holds_on_while_it_is_refused(owner, refused):
    named = {"hold": Hold.objects.get().pk}
    assert f'href="{at("credential_key", refused.pk)}"' in shown(owner)
    answer = owner.post(at("credential_resume", refused.pk), named, follow=True)
    html = answer.content.decode()
    assert "Nothing goes on yet. The gateway does not accept it." in html
    assert "invalid_grant" in html
    assert Hold.objects.exists()
    assert 'name="sure" value="1"' in html
    assert (
        "Sending goes on."
        in owner.post(at("credential_resume", refused.pk), {"sure": "1"}, follow=True).content.decode()
    )
    assert not Hold.objects.exists()


def test_resume_goes_on_where_the_key_is_taken_again_or_nobody_can_say(owner, refused, fcm_service):
    fcm_service.trust(make.service_account(), scripts={"trial": ["400:INVALID_ARGUMENT"]})
    owner.post(at("credential_resume", refused.pk))
    assert not Hold.objects.exists()
    hold(refused, origin="https://fcm.example")
    fcm_service.stop()
    owner.post(at("credential_resume", refused.pk))
    assert not Hold.objects.exists()


def test_a_pause_by_hand_is_lifted_without_asking_the_gateway(owner, refused, fcm_service):
    Hold.objects.all().delete()
    owner.post(at("credential_pause", refused.pk))
    owner.post(at("credential_resume", refused.pk))
    assert not Hold.objects.exists()
    assert fcm_service.requests == fcm_service.mints == []
