"""The funnel beside a rule: exact where it is quick, else an estimate that says so."""

import datetime as dt

import pytest
from django.db import OperationalError, connection, transaction

from audiences.consent import NewChoice, record
from audiences.models import Decision, Device
from audiences.segments import sql
from audiences.segments.language import parse
from campaigns import funnel
from delivery.models import Cap, SendingRules
from tests import make

pytestmark = pytest.mark.django_db
EVERYONE = {"everyone": True}


def counts(topic=None, *, now):
    return [n for _, n in funnel.funnel(parse(EVERYONE), topic=topic, now=now).stages]


def test_each_stage_leaves_out_who_cannot_be_reached(now):
    people = [make.profile() for _ in range(6)]
    for one in people[1:]:
        make.device(one)
    Device.objects.filter(profile=people[1]).update(permission="denied")
    topic = make.topic()
    record([NewChoice(profile_id=people[2].pk, topic_id=None, decision=Decision.OUT, source="t")], now=now)
    record([NewChoice(profile_id=people[3].pk, topic_id=topic.pk, decision=Decision.OUT, source="t")], now=now)
    Cap.objects.create(limit=1, hours=24)
    wave = make.wave()
    make.message(wave, people[4], state="sent", intent_at=now - dt.timedelta(hours=1))
    assert counts(topic, now=now) == [6, 5, 4, 2, 1, 1]
    assert counts(None, now=now) == [6, 5, 4, 3, 2, 2]


def test_the_global_holdout_comes_last(now):
    for _ in range(20):
        make.device(make.profile())
    SendingRules.objects.create(pk=1, global_holdout_percent=50)
    found = counts(now=now)
    assert found[:5] == [20] * 5
    assert 0 < found[5] < 20


def test_who_must_choose_a_topic_first_is_not_counted(now):
    make.device(make.profile())
    assert counts(make.topic(default_on=False), now=now)[3] == 0


def test_a_sample_counts_only_itself(now):
    people = [make.profile() for _ in range(5)]
    for one in people:
        make.event(one, "Bought")
    statement, params = sql.members(parse({"event": "Bought"}), now=now, only=[people[0].pk, people[3].pk])
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        assert {row[0] for row in cursor.fetchall()} == {people[0].pk, people[3].pk}


def test_an_estimate_comes_from_a_sample_and_says_so(now):
    for _ in range(50):
        make.profile()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE audiences_profile")
    found = funnel._estimated(parse(EVERYONE), None, now=now)
    assert found.estimated
    assert found.stages[0] == ("matched", 50)


def test_a_statement_that_takes_too_long_is_given_up(now):
    with pytest.raises(OperationalError), transaction.atomic():
        funnel._count(("SELECT pg_sleep(5)::text::bigint AS id", []), None, now=now, patience=20)


def test_samples_are_members(now):
    one = make.profile(attributes={"plan": "x"})
    make.profile()
    rule = {"attribute": "plan", "kind": "string", "op": "=", "value": "x"}
    assert funnel.funnel(parse(rule), topic=None, now=now).examples == (one.pk,)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE audiences_profile")
    assert funnel._estimated(parse(rule), None, now=now).examples == (one.pk,)
