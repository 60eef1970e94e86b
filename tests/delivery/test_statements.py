"""The hot path's statements: objects as a queryset gives them, and which of them wait for the disk."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection, transaction
from django.db.models import Model

from audiences import statements
from delivery import outbox
from delivery.models import Credential, Hold, SendingRules, Wave
from tests import make
from tests.conftest import NOW
from tests.delivery.sending import planned, reachable


def values(one: Model) -> dict[str, object]:
    return {field.attname: getattr(one, field.attname) for field in one._meta.concrete_fields}


@pytest.mark.django_db
@pytest.mark.parametrize("model", [Wave, Credential, Hold, SendingRules])
def test_an_object_is_the_same_as_from_a_queryset(model):
    make.wave(topic=make.topic(), per_minute=60, planned_at=NOW, running_at=NOW)
    Hold.objects.create(credential=make.credential(), origin="https://push.example", reason="asked", since=NOW)
    SendingRules.objects.create(pk=1, global_holdout_percent="2.50", quiet_from=dt.time(21, 30))
    for _ in range(8):  # planned for their parameters at first, then for any
        (found,) = statements.objects(model, "id > %s ORDER BY id", [0])
        assert values(found) == values(model._default_manager.get())


@pytest.mark.django_db(transaction=True)
def test_a_claim_does_not_wait_for_the_disk_and_what_follows_does(push_service, real_now):
    make.credential()
    wave = planned(reachable(push_service, 1), now=real_now)
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        with transaction.atomic():
            assert outbox.claim(wave, owner="me").rows
            cursor.execute("SHOW synchronous_commit")
            assert cursor.fetchone() == ("off",)
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)
        cursor.execute("RESET synchronous_commit")
