"""Two profiles turn out to be one person."""

import datetime as dt
import json
import threading

import pytest
from django.db import connection

from audiences import consent
from audiences.identity import MergeRefused, merge
from audiences.ingest import accept
from audiences.models import Choice, Decision, Device, Event, Identifier, Profile, Standing
from tests import make
from tests.conftest import NOW

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def server():
    return make.source("server")


def send(source, *calls):
    return accept([json.dumps(call).encode() for call in calls], source=source, now=NOW)


def identify(user, visitor, **traits):
    return {"type": "identify", "userId": user, "anonymousId": visitor, "traits": traits}


def track(**who):
    return {"type": "track", "event": "Seen", **who}


def choose(profile, decision, *, at, topic=None):
    consent.record(
        [consent.NewChoice(profile_id=profile.pk, topic_id=topic and topic.pk, decision=decision, source="test")],
        now=at,
    )


def test_a_visitor_who_signs_up_becomes_the_user_without_a_second_profile(server):
    send(server, track(anonymousId="v"))
    visitor = Profile.objects.get()
    send(server, identify("ada", "v", plan="pro"))
    ada = Profile.objects.get()
    assert ada.pk == visitor.pk
    assert (ada.external_id, ada.attributes) == ("ada", {"plan": "pro"})
    assert Event.objects.get().profile_id == ada.pk


def test_a_visitor_who_logs_in_is_merged_into_the_user(server):
    ada = make.profile("ada", attributes={"city": "Bonn"})
    visitor = make.anonymous("v", attributes={"city": "Rome", "size": "M"}, zone="Europe/Rome")
    device = make.device(visitor)
    send(server, track(anonymousId="v"))
    before = {s.profile_id: s.epoch for s in Standing.objects.all()}
    send(server, identify("ada", "v"))
    ada.refresh_from_db()
    visitor.refresh_from_db()
    assert visitor.merged_into_id == ada.pk
    assert ada.attributes == {"city": "Bonn", "size": "M"}
    assert ada.zone == "Europe/Rome"
    assert Event.objects.get().profile_id == ada.pk
    assert Device.objects.get(pk=device.pk).profile_id == ada.pk
    assert Identifier.objects.get(value="v").profile_id == ada.pk
    for standing in Standing.objects.all():
        assert standing.epoch > max(before.values())


def test_all_in_one_batch_ends_as_one_profile(server):
    send(server, track(anonymousId="v"), identify("ada", "v", a=1), track(userId="ada"), track(anonymousId="v"))
    ada = Profile.objects.get()
    assert ada.external_id == "ada"
    assert ada.attributes == {"a": 1}
    assert set(Event.objects.values_list("profile_id", flat=True)) == {ada.pk}
    assert Identifier.objects.filter(profile=ada).count() == 2


def test_what_a_visitor_said_in_the_same_batch_does_not_override_the_user(server):
    make.profile("ada", attributes={"city": "Bonn"})
    make.anonymous("v")
    send(
        server, {"type": "identify", "anonymousId": "v", "traits": {"city": "Rome", "size": "M"}}, identify("ada", "v")
    )
    assert Profile.objects.get(external_id="ada").attributes == {"city": "Bonn", "size": "M"}


def test_a_shared_browser_follows_who_logs_in_and_merges_nobody(server):
    send(server, identify("ada", "v"), track(anonymousId="v"))
    send(server, identify("bob", "v"), track(anonymousId="v"))
    owners = list(Event.objects.order_by("id").values_list("profile__external_id", flat=True))
    assert owners == ["ada", "bob"]
    assert Profile.objects.filter(merged_into=None).count() == 2
    send(server, identify("eve", "w"), identify("dan", "w"), track(anonymousId="w"))
    assert Event.objects.order_by("id").last().profile.external_id == "dan"


def test_an_alias_merges_what_was_before_into_the_user(server):
    make.anonymous("v")
    send(server, track(anonymousId="v"), {"type": "alias", "previousId": "v", "userId": "ada"})
    assert Event.objects.get().profile.external_id == "ada"
    old = make.profile("old-id", attributes={"plan": "pro"})
    send(server, track(userId="old-id"), {"type": "alias", "previousId": "old-id", "userId": "ada"})
    old.refresh_from_db()
    ada = Profile.objects.get(external_id="ada")
    assert old.merged_into == ada
    assert ada.attributes == {"plan": "pro"}
    assert set(Event.objects.values_list("profile_id", flat=True)) == {ada.pk}
    assert send(server, track(userId="old-id")).owners == {0: ada.pk}


def test_an_alias_of_people_nobody_has_seen_is_one_profile_afterwards(server):
    send(server, {"type": "alias", "previousId": "x", "userId": "y"})
    assert send(server, track(anonymousId="x"), track(userId="y")).owners == {
        0: (pk := Profile.objects.get().pk),
        1: pk,
    }


def test_chains_of_merges_in_one_batch_end_with_the_last(server):
    a, b, c = (make.profile(name) for name in "abc")
    send(
        server,
        {"type": "alias", "previousId": "a", "userId": "b"},
        track(userId="a"),
        {"type": "alias", "previousId": "b", "userId": "c"},
        track(userId="a"),
    )
    for absorbed in (a, b):
        absorbed.refresh_from_db()
        assert absorbed.merged_into_id == c.pk
    assert set(Event.objects.values_list("profile_id", flat=True)) == {c.pk}


@pytest.mark.parametrize("out_is_later", [True, False])
def test_the_latest_explicit_choice_wins(out_is_later):
    ada, visitor = make.profile(), make.anonymous()
    choose(ada, Decision.IN, at=NOW - (2 if out_is_later else 1) * HOUR)
    choose(visitor, Decision.OUT, at=NOW - (1 if out_is_later else 2) * HOUR)
    merge(ada.pk, visitor.pk, now=NOW)
    choice = Choice.objects.get()
    assert choice.profile_id == ada.pk
    assert choice.decision == (Decision.OUT if out_is_later else Decision.IN)
    assert choice.changed_at == NOW - HOUR
    # What was planned before the opt-out stays suppressed, whoever it was planned for.
    assert choice.out_epoch == Standing.objects.get(profile=ada).epoch


def test_of_two_choices_at_the_same_instant_the_opt_out_wins():
    for ada_says, visitor_says in [(Decision.IN, Decision.OUT), (Decision.OUT, Decision.IN)]:
        ada, visitor, topic = make.profile(), make.anonymous(), make.topic()
        choose(ada, ada_says, at=NOW, topic=topic)
        choose(visitor, visitor_says, at=NOW, topic=topic)
        merge(ada.pk, visitor.pk, now=NOW)
        assert Choice.objects.get(profile=ada).decision == Decision.OUT


def test_a_choice_that_only_the_visitor_made_comes_along():
    ada, visitor, topic = make.profile(), make.anonymous(), make.topic()
    choose(visitor, Decision.IN, at=NOW, topic=topic)
    choose(ada, Decision.OUT, at=NOW - HOUR)
    merge(ada.pk, visitor.pk, now=NOW)
    assert {(c.topic, c.decision) for c in Choice.objects.filter(profile=ada)} == {(topic, "in"), (None, "out")}


def test_an_erased_or_absorbed_profile_is_never_merged():
    ada, erased, absorbed = make.profile(), make.profile(erased_at=NOW), make.profile(merged_into=make.profile())
    for one in (erased, absorbed):
        for pair in ((ada, one), (one, ada)):
            with pytest.raises(MergeRefused):
                merge(pair[0].pk, pair[1].pk, now=NOW)
    with pytest.raises(MergeRefused):
        merge(ada.pk, ada.pk, now=NOW)
    assert Profile.objects.filter(merged_into=None).count() == 3


def test_a_merge_of_a_merge_points_to_the_last_survivor():
    a, b, c = make.profile(), make.profile(), make.profile()
    merge(b.pk, a.pk, now=NOW)
    merge(c.pk, b.pk, now=NOW)
    a.refresh_from_db()
    assert a.merged_into_id == c.pk


@pytest.mark.django_db(transaction=True)
def test_many_processes_at_once_lose_nothing_and_merge_once():
    """Four threads send the same new users and visitors, tracked and identified, in different orders."""
    source = make.source()
    names = [f"user-{n}" for n in range(12)]
    failures = []

    def work(number):
        try:
            for turn in range(4):
                order = names[number * 3 :] + names[: number * 3]
                calls = []
                for name in order if number % 2 else reversed(order):
                    calls.append(track(anonymousId=f"v-{name}", messageId=f"{number}-{turn}-{name}-a"))
                    calls.append(identify(name, f"v-{name}", **{f"from_{number}": turn}))
                    calls.append(track(userId=name, messageId=f"{number}-{turn}-{name}-b"))
                assert send(source, *calls).stored == len(calls)
        except Exception as problem:
            failures.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    standing = Profile.objects.filter(merged_into=None)
    assert sorted(standing.values_list("external_id", flat=True)) == sorted(names)
    assert Event.objects.count() == 4 * 4 * 12 * 2
    assert set(Event.objects.values_list("profile_id", flat=True)) == set(standing.values_list("pk", flat=True))
    for profile in standing:
        assert profile.attributes == {f"from_{number}": 3 for number in range(4)}
