"""Before a launch it is told which of the audience's devices no push credential serves."""

import datetime as dt

import pytest

from audiences.models import Permission
from campaigns import preflight
from campaigns.unserved import in_words, unserved
from delivery.models import Credential
from tests import make
from tests.delivery.sending import drain, planned, states

pytestmark = pytest.mark.django_db


def told(*included, excluded=(), now=make.NOW):
    return [in_words(one) for one in unserved(included, excluded, now=now)]


def phones(count, gateway="fcm", **values):
    people = [make.profile() for _ in range(count)]
    for person in people:
        make.device(person, gateway=gateway, address=f"{gateway}-{person.pk}", **values)
    return people


@pytest.fixture
def everyone():
    return make.segment({"everyone": True})


def test_devices_without_a_credential_are_counted_by_app_the_most_frequent_first(everyone):
    phones(3, app="com.shop.app")
    phones(1, app="com.other")
    phones(2, "apns", app="com.shop.app", environment="sandbox")
    make.device(make.profile())
    assert told(everyone) == [
        "3 Android devices have no credential for com.shop.app.",
        "2 iOS devices have no credential for com.shop.app in Apple's sandbox.",
        "1 Android device has no credential for com.other.",
        "1 web push device has no credential.",
    ]
    make.credential()
    make.apns_credential(app="com.shop.app", environment="production")
    make.fcm_credential(app="com.other")
    assert told(everyone) == [
        "3 Android devices have no credential for com.shop.app.",
        "2 iOS devices have no credential for com.shop.app in Apple's sandbox.",
    ]
    make.fcm_credential(), make.apns_credential(app="com.shop.app", environment="sandbox")
    assert told(everyone) == []
    Credential.objects.filter(gateway="fcm").update(retired_at=make.NOW)
    assert len(told(everyone)) == 2


def test_only_the_audiences_live_devices_count(everyone):
    trial = make.segment({"attribute": "plan", "kind": "string", "op": "=", "value": "trial"})
    phones(1, app="a.b", permission=Permission.DENIED)
    phones(1, app="a.b", quarantined_at=make.NOW)
    phones(1, app="a.b", detached_at=make.NOW)
    assert told(everyone) == []
    make.device(make.profile(attributes={"plan": "trial"}), gateway="fcm", address="x", app="a.b")
    phones(1, app="a.b")
    assert told(everyone) == ["2 Android devices have no credential for a.b."]
    assert told(trial) == told(everyone, excluded=[trial]) == ["1 Android device has no credential for a.b."]


def test_it_costs_two_statements_where_nothing_is_wrong_and_three_where_something_is(
    everyone, django_assert_num_queries
):
    phones(5, app="a.b")
    make.fcm_credential()
    with django_assert_num_queries(2 - 1):  # the credentials are read by a prepared statement, which is not seen here
        told(everyone)
    Credential.objects.update(retired_at=make.NOW)
    with django_assert_num_queries(3 - 1 + 5):  # and two for the savepoint, three settings
        told(everyone)


def test_preflight_warns_and_does_not_block(everyone):
    make.credential()
    phones(2, app="com.shop.app")
    campaign = make.campaign()
    campaign.included.add(everyone)
    (warning,) = [one for one in preflight.problems(campaign, now=make.NOW) if one.missing]
    assert (warning.severity, warning.missing.gateway, warning.missing.app) == ("warning", "fcm", "com.shop.app")
    campaign.included.clear()
    assert not [one for one in preflight.problems(campaign, now=make.NOW) if one.missing]


@pytest.mark.django_db(transaction=True)
def test_what_is_told_before_is_what_the_ledger_says_afterwards(real_now):
    make.fcm_credential(app="com.shop.app")
    make.apns_credential(environment="production")
    people = [
        *phones(2, app="com.other"),
        *phones(1, "apns", app=make.APP, environment="sandbox"),
        *phones(1, "apns", app="com.unknown"),
    ]
    foretold = sum(one.devices for one in unserved([make.segment({"everyone": True})], [], now=real_now))
    wave = planned(people, now=real_now, expires_at=real_now + dt.timedelta(hours=2))
    drain()
    assert states(wave) == {"suppressed(credential_missing)": foretold} == {"suppressed(credential_missing)": 4}
