"""Devices that change while a wave goes out: at most one push each, and to whom it is meant for."""

import datetime as dt

import pytest

from audiences import consent, devices
from audiences.consent import NewChoice
from audiences.identity import merge
from audiences.models import Choice, ConsentEntry, Device
from delivery.models import Message, Push
from tests.delivery.arriving import Browser
from tests.delivery.sending import planned, states
from tests.drills.processes import wait_for
from tests.drills.races import a_worker_waits, stopped_at

pytestmark = pytest.mark.slow
BEFORE_THE_INTENT = pytest.mark.parametrize("point", ["after_claim", "before_intent"])


def now():
    return dt.datetime.now(dt.UTC)


def go(raced):
    raced.clock()
    raced.worker()


def sent(service):
    """(token, body) of every push that was posted."""
    return [(request["token"], request["payload"]["body"]) for request in service.requests]


@BEFORE_THE_INTENT
def test_unsubscribing_and_subscribing_again_with_one_endpoint_is_one_push_and_a_new_grant(
    raced, push_service, start_at, point
):
    """C10."""
    browser = Browser(push_service)
    before = browser.arrive("ada", asked=True)
    wave = planned([before.profile], now=start_at)
    with stopped_at(point):
        go(raced)
        wait_for(a_worker_waits)
        devices.detach(keys=["browser"], now=now())
        after = browser.arrive("ada", asked=True)
    wait_for(lambda: states(wave) == {"sent": 1})
    assert (after.pk, Device.objects.live().count()) == (before.pk, 1)
    assert list(ConsentEntry.objects.order_by("id").values_list("decision", flat=True)) == ["in", "in"]
    assert len(push_service.requests) == 1


@pytest.mark.parametrize(
    ("point", "old_says", "tokens"),
    [
        ("before_intent", "201", ["1-device"]),
        ("after_intent", "201", ["0-device"]),
        ("after_intent", "410", ["0-device", "1-device"]),
        ("after_post", "410", ["0-device", "1-device"]),
    ],
)
def test_a_subscription_that_changes_during_a_wave_is_one_push(raced, push_service, start_at, point, old_says, tokens):
    """C11, and C12 for the web: what the old address refused goes to the new one, and nothing goes to both."""
    push_service.control(scripts={"0-device": [old_says]})
    browser = Browser(push_service)
    device = browser.arrive("ada")
    wave = planned([device.profile], now=start_at)
    with stopped_at(point):
        go(raced)
        wait_for(a_worker_waits)
        browser.subscribe(push_service, 1)
        browser.arrive("ada", previous=device.address)
    wait_for(lambda: states(wave) == {"sent": 1})
    assert [token for token, _ in sent(push_service)] == tokens
    assert Push.objects.get(wave=wave).attempt == len(tokens)
    assert Device.objects.live().get().address == browser.subscription.endpoint


def test_a_refusal_from_before_the_device_registered_again_keeps_it(raced, push_service, start_at):
    """C13: the answer was given, and before it is taken in, the browser says that it is there."""
    push_service.control(scripts={"0-device": ["410", "201"]})
    browser = Browser(push_service)
    wave = planned([browser.person("ada")], now=start_at)
    with stopped_at("after_post"):
        go(raced)
        wait_for(a_worker_waits)
        browser.arrive("ada")
    wait_for(lambda: states(wave) == {"sent": 1})
    assert Device.objects.live().exists()


def test_a_refusal_after_the_device_went_to_somebody_else_ends_the_address_and_nobodys_consent(
    raced, push_service, start_at
):
    """C14."""
    push_service.control(default="410")
    browser = Browser(push_service)
    ada = browser.arrive("ada", asked=True).profile
    wave = planned([ada], now=start_at)
    with stopped_at("after_intent"):
        go(raced)
        wait_for(a_worker_waits)
        bob = browser.arrive("bob", asked=True).profile
        choices = list(Choice.objects.order_by("pk").values())
    wait_for(lambda: states(wave) == {"dropped(gone)": 1})
    device = Device.objects.get()
    assert (device.profile, device.quarantine_reason) == (bob, "gone")
    assert list(Choice.objects.order_by("pk").values()) == choices
    assert {choice["profile_id"] for choice in choices} == {ada.pk, bob.pk}
    assert ConsentEntry.objects.filter(decision="out").count() == 0


@BEFORE_THE_INTENT
def test_a_shared_device_gets_only_what_is_meant_for_who_signed_in_last(raced, push_service, start_at, point):
    """C15: both are in the wave; the device changes hands after it was claimed for the first."""
    browser = Browser(push_service)
    bob = browser.person("bob")
    ada = browser.person("ada")
    wave = planned([ada, bob], now=start_at)
    with stopped_at(point):
        go(raced)
        wait_for(a_worker_waits)
        browser.arrive("bob")
    wait_for(lambda: states(wave).get("suppressed(device_reassigned)") == 1)
    wait_for(lambda: not Message.objects.filter(wave=wave, state__in=["queued", "claimed", "pushing"]).exists())
    assert Message.objects.get(profile=ada).reason == "device_reassigned"
    assert {body for _, body in sent(push_service)} <= {f"for {bob.pk}"}


@BEFORE_THE_INTENT
def test_signing_out_with_nobody_signing_in_ends_what_was_claimed(raced, push_service, start_at, point):
    """C16."""
    browser = Browser(push_service)
    wave = planned([browser.person("ada")], now=start_at)
    with stopped_at(point):
        go(raced)
        wait_for(a_worker_waits)
        devices.detach(keys=["browser"], now=now())
        # The visitor's page says again which browser it is: nobody has asked this visitor.
        browser.arrive()
    wait_for(lambda: states(wave) == {"suppressed(logged_out)": 1})
    assert push_service.requests == []
    assert not Device.objects.live().exists()


@BEFORE_THE_INTENT
def test_who_signs_in_again_has_the_device_back_and_the_other_one_gets_nothing(raced, push_service, start_at, point):
    """C17."""
    browser = Browser(push_service)
    ada = browser.person("ada")
    bob = browser.person("bob")
    wave = planned([ada, bob], now=start_at)
    with stopped_at(point):
        go(raced)
        wait_for(a_worker_waits)
        assert browser.person("ada") == ada
    wait_for(lambda: not Message.objects.filter(wave=wave, state__in=["queued", "claimed", "pushing"]).exists())
    assert Message.objects.get(profile=bob).reason == "device_reassigned"
    assert {body for _, body in sent(push_service)} <= {f"for {ada.pk}"}


@BEFORE_THE_INTENT
def test_a_visitor_who_opted_out_and_turns_out_to_be_a_user_who_opted_in_before_stays_out(
    raced, push_service, start_at, point
):
    """C18: the latest explicit decision wins, whoever it was made as."""
    mine, visitors = Browser(push_service, 0, key="mine"), Browser(push_service, 1, key="other")
    ada = mine.arrive("ada", asked=True).profile
    visitor = visitors.arrive().profile
    wave = planned([ada], now=start_at)
    with stopped_at(point):
        go(raced)
        wait_for(a_worker_waits)
        consent.record([NewChoice(profile_id=visitor.pk, topic_id=None, decision="out", source="test")], now=now())
        merge(ada.pk, visitor.pk, now=now())
    wait_for(lambda: states(wave) == {"suppressed(opted_out)": 1})
    assert push_service.requests == []


@BEFORE_THE_INTENT
def test_two_profiles_of_one_wave_that_become_one_get_one_push_a_device(raced, push_service, start_at, point):
    """C19."""
    browsers = [Browser(push_service, number, key=f"browser-{number}") for number in range(2)]
    ada, old = (browser.person(who) for browser, who in zip(browsers, ("ada", "old"), strict=True))
    wave = planned([ada, old], now=start_at)
    with stopped_at(point):
        go(raced)
        wait_for(a_worker_waits)
        merge(ada.pk, old.pk, now=now())
    wait_for(lambda: states(wave) == {"sent": 1, "suppressed(device_already_served)": 1})
    assert sorted(token for token, _ in sent(push_service)) == ["0-device", "1-device"]
    assert Push.objects.filter(wave=wave).count() == 2
