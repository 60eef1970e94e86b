"""Waves to apps: FCM, APNs and web push side by side, tokens that end, and answers that need others beside them."""

import datetime as dt

import pytest

from audiences.models import Device, Standing
from delivery.models import AccessToken, Credential, Hold, Message, Push, Wave
from tests import make
from tests.delivery.sending import drain, phones, planned, reachable, sender, states
from tests.gateways.apns import ApnsService
from tests.gateways.fcm import FcmService

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def site(real_now):
    make.no_quiet_hours()


def again(wave, now):
    """Whatever waits is due, whatever was held is free."""
    Hold.objects.all().delete()
    Message.objects.filter(state="queued").update(due_at=now)
    Push.objects.filter(state="retry").update(due_at=now)
    drain()
    return states(wave)


def quarantined():
    return Device.objects.filter(quarantined_at__isnull=False)


def test_one_wave_goes_to_phones_and_browsers_side_by_side(push_service, fcm_service, apns_service, real_now):
    make.credential(), make.fcm_credential(), make.apns_credential()
    people = [*reachable(push_service, 5), *phones(5, "fcm"), *phones(5, "apns", app=make.APP)]
    Standing.objects.get_or_create(profile=people[0])
    make.device(people[0], gateway="fcm", address=FcmService.token(99))
    wave = planned(people, now=real_now)
    drain()
    assert states(wave) == {"sent": 15}
    for service, count in ((push_service, 5), (fcm_service, 6), (apns_service, 5)):
        assert len(service.requests) == count
        assert not [one for one in service.requests if "error" in one]
    sent = {str(pk) for pk in Push.objects.filter(wave=wave, state="sent").values_list("pk", flat=True)}
    ids = {
        one["payload"].get("push") or one["payload"]["data"]["push"]
        for service in (push_service, fcm_service, apns_service)
        for one in service.requests
    }
    assert ids == sent
    assert {one["headers"]["apns-id"] for one in apns_service.requests} <= sent


def test_an_app_has_its_own_credential_in_each_environment(apns_service, settings, real_now):
    settings.HEED_APNS_SANDBOX_ORIGIN = apns_service.origin
    make.apns_credential(), make.apns_credential(environment="sandbox"), make.apns_credential(app="com.other")
    people = phones(1, "apns", app=make.APP) + phones(1, "apns", first=1, app="com.other")
    people += phones(1, "apns", first=2, app="com.unknown")
    wave = planned(people, now=real_now)
    drain()
    assert states(wave) == {"sent": 2, "suppressed(credential_missing)": 1}
    topics = {one["token"]: one["headers"]["apns-topic"] for one in apns_service.requests}
    assert topics == {ApnsService.token(0): make.APP, ApnsService.token(1): "com.other"}


@pytest.mark.parametrize("gateway", ["fcm", "apns"])
def test_a_token_that_is_refused_before_its_time_is_renewed_once_and_its_letters_go_once(
    fcm_service, apns_service, real_now, gateway
):
    make.fcm_credential(), make.apns_credential()
    drain_first = planned(phones(1, gateway, first=50), now=real_now)
    drain()
    assert states(drain_first) == {"sent": 1}
    # Old enough for Apple to take another; then refused.
    AccessToken.objects.update(minted_at=real_now - dt.timedelta(minutes=25))
    fcm_service.control(granted=[])
    apns_service.control(since=real_now.timestamp() - 1)
    old = AccessToken.objects.get().sealed
    _backdate_apple(real_now)
    wave = planned(phones(5, gateway), now=real_now)
    drain()
    assert states(wave) == {"sent": 5}
    assert set(Push.objects.filter(wave=wave).values_list("attempt", flat=True)) == {1}
    assert AccessToken.objects.get().sealed != old
    service = {"fcm": fcm_service, "apns": apns_service}[gateway]
    steps = [one["step"] for one in service.requests if one["token"] != type(service).token(50)]
    assert sorted(steps) == sorted(
        ["200"] * 5 + [("401:UNAUTHENTICATED" if gateway == "fcm" else "403:ExpiredProviderToken")] * 5
    )


def _backdate_apple(now):
    """The kept provider token is of 25 minutes ago."""
    from audiences.sealing import seal, unseal
    from delivery.gateways.access import PURPOSE
    from delivery.gateways.apns import ProviderTokens

    row = AccessToken.objects.get()
    if row.holder.startswith("apns"):
        made = ProviderTokens(f"{make.TEAM}.{make.KEY_ID}", make.p8().encode()).mint(now - dt.timedelta(minutes=25))
        row.sealed = seal(made.text.encode(), purpose=PURPOSE)
        row.save()
    else:
        unseal(row.sealed, purpose=PURPOSE)


def test_who_refuses_a_new_token_as_well_refuses_us(fcm_service, real_now):
    make.fcm_credential()
    fcm_service.control(default="401:UNAUTHENTICATED")
    wave = planned(phones(8, "fcm"), now=real_now)
    drain()
    assert states(wave) == {"queued(unauthorized)": 8}
    hold = Hold.objects.get()
    assert (hold.reason, hold.until) == ("unauthorized", None)
    assert len(fcm_service.mints) == 2
    assert len(fcm_service.requests) == 16
    assert not quarantined().exists()
    fcm_service.control(default="200")
    assert again(wave, real_now) == {"sent": 8}


def test_without_a_token_nothing_is_begun_and_nothing_is_lost(fcm_service, real_now):
    make.fcm_credential()
    fcm_service.control(scripts={"mint": ["500", "200"]})
    wave = planned(phones(4, "fcm"), now=real_now)
    drain()
    assert states(wave) == {"queued(token_unavailable)": 4}
    assert set(Push.objects.values_list("attempt", flat=True)) == {0}
    assert real_now + dt.timedelta(seconds=25) < Hold.objects.get().until
    AccessToken.objects.update(failed_at=real_now - dt.timedelta(minutes=1))
    assert again(wave, real_now) == {"sent": 4}


def test_a_replaced_key_is_used_by_workers_that_run(fcm_service, real_now):
    from delivery.credentials import keep_secret, with_secret

    credential = make.fcm_credential()
    with sender() as mine:
        wave = planned(phones(1, "fcm"), now=real_now)
        from delivery.dispatch import drain_batch

        drain_batch(mine)
        other = make.another_service_account()
        fcm_service.control(default="200", scripts={})
        fcm_service.trust(other)
        fcm_service.control(granted=[])
        keep_secret(credential, with_secret(credential, secret=other))
        later = planned(phones(1, "fcm", first=1), now=real_now)
        drain_batch(mine)
    assert states(wave) == states(later) == {"sent": 1}
    assert len(fcm_service.mints) == 2


# Answers that do not say who is wrong.


def test_a_token_that_refuses_two_messages_which_others_take_is_dropped(fcm_service, real_now):
    make.fcm_credential()
    people = phones(5, "fcm")
    fcm_service.control(scripts={FcmService.token(2): ["400:INVALID_ARGUMENT"]})
    first = planned(people, now=real_now)
    drain()
    assert states(first) == {"sent": 4, "rejected(token_doubted)": 1}
    assert not quarantined().exists()
    first.refresh_from_db()
    assert first.fix_count == 0
    second = planned(people, now=real_now)
    drain()
    assert states(second) == {"sent": 4, "dropped(bad_token)": 1}
    assert quarantined().get().quarantine_reason == "bad_token"


def test_a_token_registered_since_starts_with_a_clean_slate(fcm_service, real_now):
    make.fcm_credential()
    people = phones(5, "fcm")
    fcm_service.control(scripts={FcmService.token(2): ["400:INVALID_ARGUMENT"]})
    planned(people, now=real_now)
    drain()
    Device.objects.update(registered_at=real_now + dt.timedelta(seconds=1))
    wave = planned(people, now=real_now)
    drain()
    assert states(wave) == {"sent": 4, "rejected(token_doubted)": 1}


def test_a_message_that_every_token_refuses_is_wrong_itself(fcm_service, real_now):
    make.fcm_credential()
    people = phones(30, "fcm")
    fcm_service.control(default="400:INVALID_ARGUMENT")
    for _ in range(2):
        wave = planned(people, now=real_now)
        drain()
        assert states(wave) == {"rejected(invalid_argument)": 30}
        wave.refresh_from_db()
        assert wave.state == Wave.State.PAUSED
    assert not quarantined().exists()


def test_what_programs_send_says_nothing_of_tokens(fcm_service, real_now):
    """Each of their messages is another: that one is taken does not make the next one right."""
    make.fcm_credential()
    people = phones(5, "fcm")
    fcm_service.control(scripts={FcmService.token(2): ["400:INVALID_ARGUMENT"]})
    for number in range(2):
        wave = planned(people, now=real_now, origin=Wave.SEND_API, occurrence=f"day {number}")
        drain()
        assert states(wave) == {"sent": 4, "rejected(invalid_argument)": 1}


def test_a_few_tokens_of_another_project_are_dropped(fcm_service, real_now):
    make.fcm_credential()
    fcm_service.control(scripts={FcmService.token(n): ["403:SENDER_ID_MISMATCH"] for n in (3, 40)})
    wave = planned(phones(60, "fcm"), now=real_now)
    drain()
    assert states(wave) == {"sent": 58, "dropped(other_project)": 2}


@pytest.mark.parametrize("count", [2, 60])
def test_when_most_belong_to_another_project_the_service_account_is_wrong(fcm_service, real_now, count):
    make.fcm_credential()
    fcm_service.control(default="403:SENDER_ID_MISMATCH", scripts={FcmService.token(60): ["200"]})
    wave = planned(phones(count, "fcm") + (phones(1, "fcm", first=60) if count > 2 else []), now=real_now)
    drain()
    assert states(wave)["queued(other_project)"] == count
    assert not quarantined().exists()
    if count > 2:
        assert (Hold.objects.get().reason, Hold.objects.get().until) == ("other_project", None)


def test_a_token_unknown_here_is_tried_once_in_apples_other_environment(apns_service, settings, real_now):
    settings.HEED_APNS_SANDBOX_ORIGIN = apns_service.origin
    make.apns_credential(), make.apns_credential(environment="sandbox")
    apns_service.control(
        scripts={
            ApnsService.token(0): ["400:BadDeviceToken", "200"],
            ApnsService.token(1): ["400:BadDeviceToken", "400:BadDeviceToken"],
        }
    )
    people = phones(4, "apns", app=make.APP)
    wave = planned(people, now=real_now)
    drain()
    again(wave, real_now)
    assert states(wave) == {"sent": 3, "dropped(bad_token)": 1}
    assert Device.objects.get(profile=people[0]).environment == "sandbox"
    tries = [one["token"] for one in apns_service.requests]
    assert [tries.count(ApnsService.token(n)) for n in range(4)] == [2, 2, 1, 1]


def test_with_one_environment_an_unknown_token_is_dropped(apns_service, real_now):
    make.apns_credential()
    apns_service.control(scripts={ApnsService.token(1): ["400:BadDeviceToken"]})
    wave = planned(phones(4, "apns", app=make.APP), now=real_now)
    drain()
    assert states(wave) == {"sent": 3, "dropped(bad_token)": 1}


def test_when_one_token_in_ten_is_unknown_the_environment_is_wrong(apns_service, real_now):
    make.apns_credential()
    apns_service.control(scripts={ApnsService.token(n): ["400:BadDeviceToken"] for n in range(0, 600, 10)}, check=False)
    wave = planned(phones(600, "apns", app=make.APP), now=real_now)
    drain()
    assert (Hold.objects.get().reason, Hold.objects.get().until) == ("wrong_environment", None)
    assert quarantined().count() <= 25
    assert sum(states(wave).values()) == 600


def test_all_tokens_unknown_drop_nobody(apns_service, real_now):
    make.apns_credential()
    apns_service.control(default="400:BadDeviceToken")
    planned(phones(70, "apns", app=make.APP), now=real_now)
    drain()
    assert not quarantined().exists()
    assert Hold.objects.get().reason == "wrong_environment"


def test_a_phone_that_registered_after_apple_gave_it_up_is_kept(apns_service, real_now):
    make.apns_credential()
    people = phones(2, "apns", app=make.APP)
    before, after = (int((real_now + dt.timedelta(days=d)).timestamp() * 1000) for d in (-3, -1))
    Device.objects.update(registered_at=real_now - dt.timedelta(days=2))
    apns_service.control(
        scripts={
            ApnsService.token(0): [f"410:Unregistered@{before}", "200"],
            ApnsService.token(1): [f"410:Unregistered@{after}"],
        }
    )
    wave = planned(people, now=real_now)
    drain()
    assert states(wave) == {"queued(address_renewed)": 1, "dropped(gone)": 1}
    assert again(wave, real_now) == {"sent": 1, "dropped(gone)": 1}


def test_one_busy_device_waits_alone(apns_service, fcm_service, real_now):
    make.apns_credential(), make.fcm_credential()
    apns_service.control(scripts={ApnsService.token(1): ["429:TooManyRequests", "200"]})
    fcm_service.control(scripts={FcmService.token(1): ["429:DEVICE", "200"]})
    wave = planned(phones(3, "apns", app=make.APP) + phones(3, "fcm"), now=real_now)
    drain()
    assert states(wave) == {"sent": 4, "queued(device_throttled)": 2}
    assert not Hold.objects.exists()
    assert again(wave, real_now) == {"sent": 6}


def test_too_many_new_tokens_rest_for_twenty_minutes(apns_service, real_now):
    make.apns_credential()
    apns_service.control(default="429:TooManyProviderTokenUpdates")
    planned(phones(3, "apns", app=make.APP), now=real_now)
    drain()
    hold = Hold.objects.get()
    assert hold.reason == "token_updates"
    assert dt.timedelta(minutes=19) < hold.until - real_now < dt.timedelta(minutes=21)


def test_after_an_error_of_its_own_apple_rests_for_a_quarter_of_an_hour_and_an_hour_is_the_end(apns_service, real_now):
    make.apns_credential()
    apns_service.control(default="500:InternalServerError")
    wave = planned(phones(1, "apns", app=make.APP), now=real_now)
    drain()
    push = Push.objects.get(wave=wave)
    assert dt.timedelta(minutes=14) < push.due_at - real_now < dt.timedelta(minutes=16)
    Push.objects.update(intent_at=real_now - dt.timedelta(minutes=50))
    assert again(wave, real_now) == {"rejected(expired_in_retry)": 1}
    assert len(apns_service.requests) == 2


def test_an_unknown_push_is_repeated_as_a_replacement_where_it_must_arrive(
    apns_service, fcm_service, real_now, settings
):
    settings.HEED_TIME_SCALE = 0.001
    make.apns_credential(), make.fcm_credential()
    apns_service.control(scripts={ApnsService.token(0): ["reset-stream", "200"]})
    fcm_service.control(scripts={FcmService.token(0): ["reset-stream", "200"]})
    wave = planned(phones(1, "apns", app=make.APP) + phones(1, "fcm"), now=real_now, must_arrive=True)
    drain()
    assert again(wave, real_now) == {"sent": 2}
    one, two = (request["headers"]["apns-collapse-id"] for request in apns_service.requests)
    assert one == two
    one, two = (request["payload"]["android"] for request in fcm_service.requests)
    assert one["collapse_key"] == two["collapse_key"]
    assert one["notification"]["tag"] == two["notification"]["tag"]


def test_a_credential_that_does_not_open_holds_back_its_own_pushes_alone(fcm_service, apns_service, real_now):
    """A lost key, or rubbish in its place, costs nobody a message."""
    broken = make.fcm_credential()
    make.apns_credential()
    sealed = bytes(broken.secret)
    Credential.objects.filter(pk=broken.pk).update(secret=b"k0:" + b"x" * 40)
    wave = planned(phones(6, "fcm") + phones(3, "apns", app=make.APP), now=real_now)
    drain()
    assert states(wave) == {"queued(credential_unusable)": 6, "sent": 3}
    assert "HEED_KEK" in Hold.objects.get().detail
    Credential.objects.filter(pk=broken.pk).update(secret=sealed)
    assert again(wave, real_now) == {"sent": 9}
