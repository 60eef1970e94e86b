"""Opting in and out: the ledger, the newest choice, and the epoch that guards a send."""

import datetime as dt
import threading

import pytest
from django.db import IntegrityError, connection, transaction

from audiences import consent
from audiences.consent import NewChoice
from audiences.identity import merge
from audiences.models import Choice, ConsentEntry, Decision, Standing
from tests import make
from tests.drills.processes import wait_for
from tests.drills.races import a_statement_waits_for_a_row

pytestmark = pytest.mark.django_db


def said(profile, decision, topic=None):
    return NewChoice(profile_id=profile.pk, topic_id=topic and topic.pk, decision=decision, source="test")


def test_a_decision_is_in_the_ledger_and_is_the_choice(now):
    profile = make.profile()
    (entry,) = consent.record([said(profile, Decision.OUT)], now=now)
    choice = Choice.objects.get(profile=profile)
    assert (choice.decision, choice.entry_id, choice.topic) == ("out", entry, None)


def test_an_opt_out_raises_the_epoch_that_it_remembers(now):
    profile = make.profile()
    consent.record([said(profile, Decision.OUT)], now=now)
    assert Choice.objects.get().out_epoch == Standing.objects.get(profile=profile).epoch == 1


def test_the_mark_of_an_opt_out_outlives_a_later_opt_in(now):
    profile = make.profile()
    consent.record([said(profile, Decision.OUT)], now=now)
    consent.record([said(profile, Decision.IN)], now=now + dt.timedelta(minutes=1))
    choice = Choice.objects.get()
    assert (choice.decision, choice.out_epoch) == ("in", 1)


def test_the_last_decision_of_a_batch_wins_and_its_opt_out_is_marked(now):
    profile = make.profile()
    consent.record([said(profile, Decision.OUT), said(profile, Decision.IN)], now=now)
    choice = Choice.objects.get()
    assert (choice.decision, choice.out_epoch) == ("in", 1)
    assert ConsentEntry.objects.count() == 2


def test_topics_are_decided_apart(now):
    profile, offers, news = make.profile(), make.topic(), make.topic()
    consent.record([said(profile, Decision.OUT, offers), said(profile, Decision.IN, news)], now=now)
    assert {c.topic_id: c.decision for c in Choice.objects.all()} == {offers.pk: "out", news.pk: "in"}


@pytest.mark.parametrize("deed", [lambda e: e.update(source="x"), lambda e: e.delete()])
def test_the_ledger_refuses_to_be_changed(now, deed):
    consent.record([said(make.profile(), Decision.OUT)], now=now)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        deed(ConsentEntry.objects.all())


def test_a_browsers_grant_never_turns_an_opt_out_around(now):
    left, silent = make.profile(), make.profile()
    consent.record([said(left, Decision.OUT)], now=now)
    consent.record_grants([left.pk, silent.pk], source="soft prompt", text="Get news?", now=now)
    assert {c.profile_id: c.decision for c in Choice.objects.all()} == {left.pk: "out", silent.pk: "in"}


def test_a_repeated_grant_adds_nothing_to_the_ledger(now):
    profile = make.profile()
    for _ in range(3):
        consent.record_grants([profile.pk], source="soft prompt", now=now)
    assert ConsentEntry.objects.count() == 1


def test_a_batch_costs_the_same_queries_as_one(now, django_assert_num_queries):
    profiles = [make.profile() for _ in range(50)]
    with django_assert_num_queries(8):
        consent.record([said(profile, Decision.OUT) for profile in profiles], now=now)


@pytest.fixture
def two(now):
    """A survivor who is in, and who is about to become part of it."""
    survivor, absorbed = make.profile(), make.profile()
    consent.record([said(survivor, Decision.IN)], now=now)
    return survivor, absorbed


def test_a_decision_of_a_profile_that_has_become_part_of_another_is_the_others(now, two):
    survivor, absorbed = two
    merge(survivor.pk, absorbed.pk, now=now)
    consent.record([said(absorbed, Decision.OUT)], now=now)
    choice = Choice.objects.get()
    assert (choice.profile, choice.decision) == (survivor, "out")
    assert choice.out_epoch == Standing.objects.get(profile=survivor).epoch


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("deed", "decision"),
    [
        (lambda profile, now: consent.record([said(profile, Decision.OUT)], now=now), "out"),
        (lambda profile, now: consent.record_grants([profile.pk], source="soft prompt", now=now), "in"),
    ],
)
def test_a_decision_made_during_a_merge_is_the_survivors(now, two, deed, decision):
    survivor, absorbed = two

    def decide():
        try:
            deed(absorbed, now)
        finally:
            connection.close()

    meanwhile = threading.Thread(target=decide)
    with transaction.atomic():
        merge(survivor.pk, absorbed.pk, now=now)
        meanwhile.start()
        wait_for(a_statement_waits_for_a_row)
    meanwhile.join()
    assert [(c.profile, c.decision) for c in Choice.objects.all()] == [(survivor, decision)]
