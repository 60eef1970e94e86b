"""A push credential is checked when it is given, and its secret half is never seen again."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audiences.sealing import unseal
from delivery.credentials import (
    PURPOSE,
    InvalidCredential,
    apns_credential,
    fcm_credential,
    keep,
    keep_secret,
    read_p8,
    read_service_account,
    with_secret,
)
from delivery.models import Credential, Hold
from tests.make import p8, service_account

pytestmark = pytest.mark.django_db


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def apns(now, **values):
    given = {"p8": p8(), "team_id": "TEAM123456", "key_id": "KEY1234567", "app": "com.shop", "environment": "sandbox"}
    return keep(apns_credential("Apple", **{**given, **values}, now=now))


def test_a_service_account_becomes_a_credential_whose_secret_is_sealed(now):
    made = keep(fcm_credential("Android", service_account=service_account(project="shop-1"), app="com.shop", now=now))
    made.refresh_from_db()
    assert (made.gateway, made.app) == ("fcm", "com.shop")
    assert made.public_key == "push@shop-1.iam.gserviceaccount.com"
    assert b"PRIVATE KEY" not in bytes(made.secret)
    assert json.loads(unseal(made.secret, purpose=PURPOSE))["project"] == "shop-1"


def test_an_apple_key_becomes_a_credential_of_one_app_in_one_environment(now):
    made = apns(now, team_id=" team123456 ", p8=b"\xef\xbb\xbf" + p8().encode())
    made.refresh_from_db()
    assert (made.gateway, made.app, made.environment) == ("apns", "com.shop", "sandbox")
    assert made.public_key == "TEAM123456.KEY1234567"
    assert b"PRIVATE KEY" not in bytes(made.secret)
    assert unseal(made.secret, purpose=PURPOSE).startswith(b"-----BEGIN PRIVATE KEY")


def changed(**values):
    return json.dumps({**json.loads(service_account()), **values})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (b"\xff\xfe\x00", "not text"),
        ("AAAA1234:APA91bLegacyServerKey", "not JSON"),
        ("[]", "JSON object"),
        (json.dumps({"project_info": {}, "client": []}), "google-services.json"),
        (json.dumps({"type": "authorized_user"}), "authorized_user"),
        (changed(project_id=None), "project_id is missing"),
        (changed(project_id="../../evil"), "project_id is not"),
        (changed(client_email=7), "client_email is missing"),
        (changed(private_key="-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"), "cannot be read"),
        (changed(private_key=pem(ec.generate_private_key(ec.SECP256R1()))), "not an RSA key"),
        ("x" * 20_001, "too large"),
    ],
)
def test_what_is_no_service_account_is_refused_in_plain_words(text, words):
    with pytest.raises(InvalidCredential, match=words) as refused:
        read_service_account(text)
    assert refused.value.field == "service_account"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("hello", "cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "certificate"),
        (pem(rsa.generate_private_key(65537, 2048)), "another kind"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "another kind"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "another kind"),
        (p8().replace("-----END PRIVATE KEY-----", ""), "cannot be read"),
    ],
)
def test_what_is_no_apple_key_is_refused_in_plain_words(text, words):
    with pytest.raises(InvalidCredential, match=words):
        read_p8(text)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"team_id": "SHORT"}, "team_id"),
        ({"key_id": "AuthKey_KEY1234567.p8"}, "key_id"),
        ({"app": ""}, "app"),
        ({"app": "shop"}, "app"),
        ({"app": "com.shop\r\nx"}, "app"),
        ({"environment": "staging"}, "environment"),
    ],
)
def test_the_field_that_is_wrong_is_named(now, values, field):
    with pytest.raises(InvalidCredential) as refused:
        apns(now, **values)
    assert refused.value.field == field
    assert not Credential.objects.exists()


def test_the_same_key_for_the_same_app_is_there_once(now):
    apns(now)
    with pytest.raises(InvalidCredential, match="in use"):
        apns(now)
    Credential.objects.update(retired_at=now)
    with pytest.raises(InvalidCredential, match="bring it back"):
        apns(now)


def test_a_key_is_replaced_only_by_another_of_the_same_project(now):
    made = keep(fcm_credential("Android", service_account=service_account(project="shop-1"), now=now))
    before = bytes(made.secret)
    keep_secret(made, with_secret(made, secret=service_account(project="shop-1")))
    made.refresh_from_db()
    assert bytes(made.secret) != before
    with pytest.raises(InvalidCredential, match="shop-2"):
        keep_secret(made, with_secret(made, secret=service_account(project="shop-2")))
    other = "other@shop-1.iam.gserviceaccount.com"
    keep_secret(made, with_secret(made, secret=service_account(project="shop-1", client_email=other)))
    made.refresh_from_db()
    assert made.public_key == other


def test_another_projects_key_is_taken_once_google_said_that_the_project_is_wrong(now):
    made = keep(fcm_credential("Android", service_account=service_account(project="shop-1"), now=now))
    Hold.objects.create(credential=made, origin="https://fcm.example", reason="other_project", since=now)
    keep_secret(made, with_secret(made, secret=service_account(project="shop-2")))
    made.refresh_from_db()
    assert made.public_key == "push@shop-2.iam.gserviceaccount.com"


def test_apples_next_key_has_another_id_and_takes_the_place_of_the_old_one(now):
    made = apns(now)
    given = {"p8": p8(), "team_id": "TEAM123456", "app": "com.shop", "environment": "sandbox"}
    keep(apns_credential("Other", **given, key_id="KEY0000001", now=now))
    keep_secret(made, with_secret(made, secret=p8(), key_id="KEY7654321"))
    made.refresh_from_db()
    assert made.public_key.endswith(".KEY7654321")
    with pytest.raises(InvalidCredential, match="“Other” has this key already"):
        keep_secret(made, with_secret(made, secret=p8(), key_id="KEY0000001"))
    with pytest.raises(InvalidCredential, match="ten letters"):
        keep_secret(made, with_secret(made, secret=p8(), key_id="AuthKey_X"))
