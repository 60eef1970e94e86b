"""Reports of large campaigns stand on sums that are kept, and say the same as a count would."""

from __future__ import annotations

import datetime as dt

import pytest

from campaigns.models import Rollup
from campaigns.results import rollups
from campaigns.results.campaign import result_of
from campaigns.results.outcomes import Goal
from delivery.models import Message, Wave
from tests import make

pytestmark = pytest.mark.django_db
GOAL = Goal("Order Completed", dt.timedelta(days=7))


@pytest.fixture
def large(now, monkeypatch):
    """A campaign of five, three of them sent to, which counts as large here."""
    monkeypatch.setattr(rollups, "LARGE", 5)
    campaign = make.campaign(state="running", scheduled_at=now, launched_at=now)
    wave = make.wave(origin=campaign.origin, planned_count=5, topic=campaign.topic)
    for number in range(5):
        state = "sent" if number < 3 else "held_out"
        arm = "told" if number < 3 else "control"
        make.message(wave, make.profile(), arm=arm, state=state, decided_at=now, intent_at=now)
    make.event(Message.objects.filter(arm="told").first().profile, "Order Completed", at=now + dt.timedelta(hours=1))
    return campaign


def later(now, **by):
    return now + dt.timedelta(**by)


def renew_all(*, now):
    found = list(rollups.due(now=now))
    for wave, goal in found:
        rollups.renew(wave, goal, now=now)
    return len(found)


def test_kept_sums_say_what_a_count_says(large, now):
    counted = result_of(large, now=later(now, seconds=5))
    assert renew_all(now=later(now, seconds=5)) == 1
    kept = result_of(large, now=later(now, seconds=6))
    assert (counted.counted_at, kept.counted_at) == (None, later(now, seconds=5))
    assert (kept.funnel, kept.caused, kept.series, kept.grain) == (
        counted.funnel,
        counted.caused,
        counted.series,
        counted.grain,
    )
    assert kept.caused.told.conversions == 1


def test_a_large_report_looks_at_no_message(large, now, django_assert_num_queries):
    renew_all(now=now)
    with django_assert_num_queries(2):
        result_of(large, now=now)


def test_sums_are_renewed_often_at_first_and_less_and_less(large, now):
    assert renew_all(now=now) == 1
    assert renew_all(now=later(now, seconds=10)) == 0
    assert renew_all(now=later(now, seconds=16)) == 1
    assert renew_all(now=later(now, days=1)) == 1
    assert renew_all(now=later(now, days=1, minutes=20)) == 0
    assert renew_all(now=later(now, days=1, minutes=30)) == 1


def test_sums_that_are_much_too_old_are_counted_again_by_the_reader(large, now):
    renew_all(now=now)
    Message.objects.filter(state="held_out").update(state="suppressed")
    assert result_of(large, now=later(now, seconds=40)).held_out == 2
    assert result_of(large, now=later(now, minutes=5)).held_out == 0


def test_a_campaign_whose_windows_are_closed_is_counted_for_the_last_time(large, now):
    Wave.objects.update(finished_at=now, state="finished")
    assert renew_all(now=later(now, days=30)) == 1
    assert Rollup.objects.get().is_final
    assert renew_all(now=later(now, days=90)) == 0
    assert result_of(large, now=later(now, days=90)).counted_at == later(now, days=30)


def test_small_campaigns_are_counted_when_they_are_looked_at(large, now):
    Wave.objects.update(planned_count=4)
    assert renew_all(now=now) == 0
    assert result_of(large, now=now).counted_at is None
