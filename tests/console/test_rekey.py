"""Another key for secrets at rest: everything is sealed anew, and nothing in the database reads in plain."""

import io

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.models import BinaryField

from audiences.sealing import unseal
from console.management.commands.rekey import SEALED
from delivery.credentials import PURPOSE
from delivery.models import AccessToken, Credential
from tests import make
from tests.delivery.letters import gateway_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def secrets(fcm_service, apns_service, certificate, real_now):
    make.source()
    for made in (make.credential(), make.fcm_credential(), make.apns_credential()):
        with gateway_of(made, certificate) as gateway:
            gateway.prepare(now=real_now)


def rekey():
    out = io.StringIO()
    call_command("rekey", stdout=out)
    return out.getvalue()


def test_every_secret_lies_under_the_newest_key_afterwards(secrets, settings):
    before = {pk: unseal(secret, purpose=PURPOSE) for pk, secret in Credential.objects.values_list("pk", "secret")}
    settings.HEED_KEK = {"k2": "ab" * 32, **settings.HEED_KEK}
    assert rekey() == "6 secrets are sealed anew.\n"
    for model, field, _ in SEALED:
        assert all(bytes(sealed).startswith(b"k2:") for sealed in model.objects.values_list(field, flat=True))
    after = {pk: unseal(secret, purpose=PURPOSE) for pk, secret in Credential.objects.values_list("pk", "secret")}
    assert after == before
    assert rekey() == "0 secrets are sealed anew.\n"


def test_a_secret_whose_key_is_gone_is_named_and_the_others_are_sealed_anew(secrets, settings):
    lost = Credential.objects.first()
    Credential.objects.filter(pk=lost.pk).update(secret=b"k0:" + b"x" * 40)
    settings.HEED_KEK = {"k2": "ab" * 32, **settings.HEED_KEK}
    with pytest.raises(CommandError, match=f"credential {lost.pk}: The key 'k0'"):
        rekey()
    assert AccessToken.objects.exclude(sealed=b"").count() == 2
    assert all(bytes(one.sealed).startswith(b"k2:") for one in AccessToken.objects.all())


def test_every_binary_column_is_a_sealed_secret_or_known_not_to_be():
    columns = {
        (model, field.name)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, BinaryField)
    }
    known = {(apps.get_model("console", "IdempotentAnswer"), "answer")}
    assert columns - known == {(model, field) for model, field, _ in SEALED}


def test_no_private_key_or_token_reads_in_plain_anywhere_in_the_database(secrets):
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            text = "\n".join(row for (row,) in cursor.fetchall())
            for marker in ("PRIVATE KEY", b"PRIVATE KEY".hex(), "ya29", b"ya29".hex(), b"eyJ".hex()):
                assert marker not in text, (table, marker)
