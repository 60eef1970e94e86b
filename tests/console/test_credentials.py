"""Push credentials in the console: made for each gateway, checked with it when they are saved, and never shown again."""

import datetime as dt
import json
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections
from django.test import Client
from django.urls import reverse

from audiences.models import Device
from audiences.sealing import unseal
from delivery.credentials import PURPOSE, keep_secret, with_secret
from delivery.models import Credential, Hold, Message, Push, SendingRules, Tally
from tests import make
from tests.delivery.sending import drain
from tests.drills.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

NOBODY = "0" * 64


@pytest.fixture
def owner():
    client = Client()
    client.force_login(User.objects.create_superuser("olive", "olive@shop.example.net", "a long password"))
    return client


def at(name, *args):
    return reverse(f"console:{name}", args=args)


def post(owner, gateway, **said):
    return owner.post(at("credential_new", gateway), said, follow=True)


def android(**said):
    return {"name": "Android", "service_account": make.service_account(), **said}


def apple(**said):
    given = {"name": "iPhone", "p8": make.p8(), "team_id": make.TEAM, "key_id": make.KEY_ID, "app": make.APP}
    return {**given, "environment": "production", **said}


def problems(answer):
    return {field: " ".join(errors) for field, errors in answer.context["form"].errors.items()}


def test_the_way_to_a_new_credential_begins_with_what_it_reaches(owner):
    html = owner.get(at("delivery_credential_add"), follow=True).content.decode()
    for gateway in ("webpush", "fcm", "apns"):
        assert at("credential_new", gateway) in html
    assert owner.get(at("credential_new", "pigeon")).status_code == 404


def test_a_web_push_credential_has_a_key_pair_and_never_shows_the_private_half(owner):
    post(owner, "webpush", name="Shop", subject="push@shop.example.net")
    made = Credential.objects.get(name="Shop")
    assert made.subject == "mailto:push@shop.example.net"
    pem = unseal(made.secret, purpose=PURPOSE)
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----")
    html = owner.get(at("delivery_credential_change", made.pk)).content
    assert made.public_key.encode() in html
    assert pem.splitlines()[1] not in html


@pytest.mark.parametrize("subject", ["me", "mailto:nobody", "http://shop.example.net", "mailto:push@localhost"])
def test_web_push_without_an_address_to_write_to_is_refused_beside_the_field(owner, subject):
    assert "subject" in problems(post(owner, "webpush", name="Shop", subject=subject))
    assert not Credential.objects.exists()


def test_a_service_account_that_google_takes_is_kept_sealed(owner, fcm_service):
    fcm_service.control(scripts={"trial": ["400:INVALID_ARGUMENT"]})
    answer = post(owner, "fcm", **android(app="com.example.shop", per_minute="600"))
    assert "The gateway accepts it." in answer.content.decode()
    made = Credential.objects.get()
    assert (made.gateway, made.app, made.per_minute) == ("fcm", "com.example.shop", 600)
    assert made.public_key == "push@shop-1.iam.gserviceaccount.com"
    (asked,) = fcm_service.requests
    assert asked["validate_only"] is True


def test_a_file_does_as_well_as_its_content(owner, fcm_service):
    fcm_service.control(scripts={"trial": ["400:INVALID_ARGUMENT"]})
    file = SimpleUploadedFile("shop-1.json", make.service_account().encode(), "application/json")
    post(owner, "fcm", name="Android", service_account_file=file)
    assert Credential.objects.get().gateway == "fcm"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"service_account": "{"}, "This is not JSON"),
        ({"service_account": '{"project_info": {}}'}, "google-services.json"),
        ({"service_account": ""}, "Choose the file, or paste"),
        ({"service_account": make.service_account(private_key="-----BEGIN PRIVATE KEY-----\n")}, "cannot be read"),
    ],
)
def test_what_is_no_service_account_is_refused_beside_the_field(owner, said, words):
    assert words in problems(post(owner, "fcm", **android(**said)))["service_account"]
    assert not Credential.objects.exists()


def test_a_service_account_that_google_refuses_is_not_kept_and_can_be_mended_at_once(owner, fcm_service):
    fcm_service.control(accounts={})
    answer = post(owner, "fcm", **android())
    assert "invalid_grant" in problems(answer)["service_account"]
    assert "Not saved" in answer.content.decode()
    assert not Credential.objects.exists()
    fcm_service.trust(make.service_account(), scripts={"trial": ["400:INVALID_ARGUMENT"]})
    assert "The gateway accepts it." in post(owner, "fcm", **android()).content.decode()


def test_a_gateway_that_is_not_reached_lets_it_be_saved_with_a_warning(owner, fcm_service):
    fcm_service.stop()
    html = post(owner, "fcm", **android()).content.decode()
    assert "It could not be tried" in html
    assert "The first push will tell." in html
    assert Credential.objects.get().name == "Android"


def test_a_signing_key_is_tried_for_its_app(owner, apns_service):
    apns_service.control(scripts={NOBODY: ["400:BadDeviceToken"]})
    html = post(owner, "apns", **apple()).content.decode()
    assert "The gateway accepts it." in html
    assert f"team {make.TEAM}, key {make.KEY_ID}" in html
    made = Credential.objects.get()
    assert (made.app, made.environment) == (make.APP, "production")


def test_the_key_files_name_holds_its_id(owner, apns_service):
    apns_service.control(scripts={NOBODY: ["400:BadDeviceToken"]})
    file = SimpleUploadedFile(f"AuthKey_{make.KEY_ID}.p8", make.p8().encode())
    post(owner, "apns", **apple(p8="", p8_file=file, key_id=""))
    assert Credential.objects.get().public_key == f"{make.TEAM}.{make.KEY_ID}"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"p8": "-----BEGIN CERTIFICATE-----"}, "p8"),
        ({"team_id": "short"}, "team_id"),
        ({"key_id": ""}, "key_id"),
        ({"app": "my app"}, "app"),
        ({"environment": "moon"}, "environment"),
        ({"name": ""}, "name"),
        ({"per_minute": "0"}, "per_minute"),
    ],
)
def test_what_is_wrong_with_an_apple_key_is_said_beside_its_field(owner, said, field):
    assert list(problems(post(owner, "apns", **apple(**said)))) == [field]
    assert not Credential.objects.exists()


@pytest.mark.parametrize(
    ("step", "words"), [("403:InvalidProviderToken", "does not accept it"), ("400:TopicDisallowed", "bundle id")]
)
def test_a_key_that_apple_refuses_is_not_kept(owner, apns_service, step, words):
    apns_service.control(scripts={NOBODY: [step]})
    assert words in problems(post(owner, "apns", **apple()))["p8"]
    assert not Credential.objects.exists()


def secret_lines(pem):
    return [line for line in pem.splitlines() if len(line) > 40 and "-----" not in line]


def test_a_key_is_shown_nowhere_again(owner, fcm_service, caplog, redis_server):
    caplog.set_level(logging.DEBUG)
    fcm_service.control(scripts={"trial": ["400:INVALID_ARGUMENT"]})
    account = make.service_account()
    lines = secret_lines(json.loads(account)["private_key"])
    assert lines
    refused = post(owner, "fcm", name="", service_account=account).content.decode()
    post(owner, "fcm", **android(service_account=account))
    made = Credential.objects.get()
    pages = [
        owner.get(where).content.decode()
        for where in (
            at("delivery_credential_changelist"),
            at("delivery_credential_change", made.pk),
            at("delivery_credential_history", made.pk),
            at("credential_key", made.pk),
        )
    ]
    entries = str(list(LogEntry.objects.values()))
    kept = "".join(str(redis_server.dump(key)) for key in redis_server.scan_iter())
    for place in (refused, *pages, entries, kept, caplog.text, repr(made), str(bytes(made.secret))):
        assert not any(line in place for line in lines)
    assert lines[0].encode() in unseal(made.secret, purpose=PURPOSE)


def test_another_key_takes_the_place_of_the_old_one_if_the_gateway_takes_it(owner, apns_service):
    made = make.apns_credential()
    old = bytes(made.secret)
    where = at("credential_key", made.pk)
    apns_service.control(scripts={NOBODY: ["403:InvalidProviderToken", "400:BadDeviceToken"]})
    assert "id" in problems(owner.post(where, {"p8": make.p8()}))["key_id"]
    refused = owner.post(where, {"p8": make.p8(), "key_id": "KEY7654321"})
    assert "does not accept it" in problems(refused)["p8"]
    made.refresh_from_db()
    assert (bytes(made.secret), made.public_key) == (old, f"{make.TEAM}.{make.KEY_ID}")
    apns_service.trust(make.p8(), team=make.TEAM, key_id="KEY7654321")
    taken = owner.post(where, {"p8": make.p8(), "key_id": "KEY7654321"}, follow=True)
    assert "The key is replaced. The gateway accepts it." in taken.content.decode()
    made.refresh_from_db()
    assert made.public_key == f"{make.TEAM}.KEY7654321"
    assert bytes(made.secret) != old


def open_transactions():
    """Of anybody else, in this database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            """
            SELECT state, query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND backend_type = 'client backend' AND xact_start IS NOT NULL
            """
        )
        return cursor.fetchall()


def make_a_new_one(owner, gateway):
    post(owner, gateway, **(android() if gateway == "fcm" else apple()))
    return Credential.objects.get().name


def replace_its_key(owner, gateway):
    made = make.fcm_credential() if gateway == "fcm" else make.apns_credential()
    said = {"service_account": make.another_service_account()} if gateway == "fcm" else {"p8": make.another_p8()}
    assert owner.post(at("credential_key", made.pk), {**said, "key_id": "KEY7654321"}).status_code == 302
    old, changed = bytes(made.secret), Credential.objects.get()
    assert bytes(changed.secret) != old
    return changed.name


def go_on_after_a_refusal(owner, gateway):
    made = make.fcm_credential() if gateway == "fcm" else make.apns_credential()
    Hold.objects.create(credential=made, reason="unauthorized", since=make.NOW)
    owner.post(at("credential_resume", made.pk))
    assert not Hold.objects.exists()
    return made.name


@pytest.mark.parametrize("deed", [make_a_new_one, replace_its_key, go_on_after_a_refusal])
@pytest.mark.parametrize(("gateway", "silent"), [("fcm", "mint"), ("fcm", "trial"), ("apns", NOBODY)])
def test_nothing_in_the_database_waits_while_the_gateway_is_silent(owner, request, deed, gateway, silent):
    service = request.getfixturevalue(f"{gateway}_service")
    if gateway == "fcm":
        service.trust(make.another_service_account() if deed is replace_its_key else make.service_account())
    service.control(scripts={silent: ["silence"]})

    def ask():
        try:
            return deed(owner, gateway)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        try:
            wait_for(
                lambda: asked.done() or [one for one in (*service.requests, *service.mints) if one["step"] == "silence"]
            )
            assert not asked.done()
            assert open_transactions() == []
        finally:
            service.stop()
        assert asked.result()


def test_of_two_who_give_another_key_at_once_one_is_told_so(owner, apns_service):
    made = make.apns_credential()
    apns_service.trust(make.another_p8(), team=make.TEAM, key_id="KEY7654321")
    apns_service.control(scripts={NOBODY: ["silence"]})

    def ask():
        try:
            return owner.post(at("credential_key", made.pk), {"p8": make.another_p8(), "key_id": "KEY7654321"})
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        wait_for(lambda: apns_service.requests)
        keep_secret(made, with_secret(made, secret=make.another_p8(), key_id="KEY0000001"))
        apns_service.stop()
        answer = asked.result()
    assert "Somebody else gave it a key" in problems(answer)["p8"]
    assert Credential.objects.get().public_key == f"{make.TEAM}.KEY0000001"


def test_of_two_who_make_a_credential_of_the_same_name_at_once_one_is_told_so(owner, fcm_service):
    fcm_service.control(scripts={"trial": ["silence"]})

    def ask():
        try:
            return post(owner, "fcm", **android())
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        wait_for(lambda: fcm_service.requests)
        make.apns_credential(), Credential.objects.update(name="Android")
        fcm_service.stop()
        answer = asked.result()
    assert "Another credential has this name" in problems(answer)["name"]
    assert Credential.objects.get().gateway == "apns"


def test_a_key_of_another_account_is_no_replacement(owner, fcm_service):
    made = make.fcm_credential()
    answer = owner.post(at("credential_key", made.pk), {"service_account": make.service_account("other-2")})
    assert "Make another credential" in problems(answer)["service_account"]
    assert owner.get(at("credential_key", make.credential().pk)).status_code == 404


def test_its_page_changes_name_and_limit_and_nothing_that_would_break_it(owner):
    made = make.apns_credential()
    where = at("delivery_credential_change", made.pk)
    owner.post(where, {"name": "Renamed", "per_minute": "60", "app": "com.other", "environment": "sandbox"})
    made.refresh_from_db()
    assert (made.name, made.per_minute, made.app, made.environment) == ("Renamed", 60, make.APP, "production")
    assert "at most 60 pushes a minute" in owner.get(where).content.decode()


def test_its_page_tells_whom_it_serves_and_what_it_was_answered(owner):
    now = dt.datetime.now(dt.UTC)
    made = make.apns_credential()
    other = make.apns_credential(environment="sandbox")
    for environment, quarantined in (("", None), ("production", None), ("sandbox", None), ("production", now)):
        device = make.device(make.profile(), address=f"a{environment}{quarantined}")
        Device.objects.filter(pk=device.pk).update(
            gateway="apns", app=make.APP, environment=environment, quarantined_at=quarantined
        )
    wave = make.wave(created_at=now, wave_on=now.date())
    said = {"wave": wave, "kind": "push", "credential": made}
    Tally.objects.create(**said, at=now, state="sent", status="200", n=41)
    Tally.objects.create(**said, at=now, state="dropped", reason="gone", status="410 Unregistered", n=1)
    Tally.objects.create(**(said | {"credential": other}), at=now, state="sent", status="200", n=500)
    hold = Hold.objects.create(credential=made, origin="https://api.push.apple.com", reason="throttled", since=now)
    make.message(wave, make.profile(), held_by=hold.pk)
    html = owner.get(at("credential_figures", made.pk)).content.decode()
    assert "<b>2</b><span>devices" in html
    assert "<b>41</b><span>sent today" in html
    assert "<b>1</b><span>wait for it" in html
    assert "Last answer" in html


@pytest.fixture
def reachable(push_service):
    """A profile with a device of each of two web push credentials."""
    SendingRules.objects.create(pk=1, quiet_from=dt.time(0), quiet_until=dt.time(23, 59))
    made, other = make.credential(name="One"), make.credential(name="Two")
    person = make.profile("olive-herself")
    for number, credential in enumerate((made, other)):
        one = push_service.subscribe(1, first=number)[0]
        make.device(person, address=one.endpoint, p256dh=one.p256dh, auth=one.auth, sender_key=credential.public_key)
    return made


def test_a_test_push_goes_to_this_credentials_devices_alone_and_says_what_became_of_it(owner, push_service, reachable):
    answer = owner.post(at("credential_test", reachable.pk), {"to": "olive-herself"}, follow=True)
    assert "Waits for a worker" in answer.content.decode()
    drain()
    assert [request["payload"]["title"] for request in push_service.requests] == ["This is a test"]
    assert Push.objects.get().credential == reachable
    where = answer.redirect_chain[-1][0]
    html = owner.get(where, headers={"HX-Request": "true"}).content.decode()
    assert "Sent" in html
    assert "It said: 201" in html
    assert "every 1s" not in html
    message = Message.objects.get()
    assert message.wave.sends.get().asked_by == "test of One by olive"


def test_a_test_obeys_who_left(owner, push_service, reachable, real_now):
    from audiences.consent import NewChoice, record

    person = Device.objects.first().profile
    record([NewChoice(profile_id=person.pk, topic_id=None, decision="out", source="test")], now=real_now)
    answer = owner.post(at("credential_test", reachable.pk), {"to": "olive-herself"}, follow=True)
    drain()
    assert push_service.requests == []
    assert "Opted out of all notifications" in owner.get(answer.redirect_chain[-1][0]).content.decode()


@pytest.mark.parametrize(("to", "words"), [("nobody", "no profile"), ("ada", "no device that can be reached")])
def test_a_test_to_nobody_is_refused_beside_the_field(owner, reachable, to, words):
    make.profile("ada")
    assert words in problems(owner.post(at("credential_test", reachable.pk), {"to": to}))["to"]
    assert not Message.objects.exists()
