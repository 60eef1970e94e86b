"""FCM's rhythm: no push around the quarter hours, and a slow beginning, for large runs only."""

import datetime as dt

import pytest

from delivery import rhythm
from delivery.models import Wave

NINE = dt.datetime(2026, 11, 25, 9, 0, tzinfo=dt.UTC)
MARGIN = 30.0


def wave(planned_count=10_000, began=NINE, **values):
    return Wave(
        **{
            "message_class": "promotional",
            "planned_count": planned_count,
            "planned_at": began,
            "running_at": began,
            "due_at": began,
        }
        | values
    )


def moments(wave, people, *, start):
    """When each push would be posted by workers that look at each message whenever it is due, at no cost of time."""
    found = []
    for number in people:
        now = start
        while frees := rhythm.release(wave, number, now=now, margin=MARGIN).frees_at:
            assert frees > now
            now = frees
        found.append(now)
    return sorted(found)


def is_quiet(at):
    seconds = (at.minute % 15) * 60 + at.second + at.microsecond / 1e6
    return seconds < 120 or seconds >= 780


def test_a_run_of_ten_thousand_planned_for_nine_has_no_push_in_the_window():
    found = moments(wave(), range(10_000), start=NINE)
    assert not any(is_quiet(at) for at in found)
    assert found[0] >= NINE + dt.timedelta(minutes=2)
    assert found[-1] <= NINE + dt.timedelta(minutes=3)


def test_it_goes_on_time_where_the_marketer_says_that_minutes_matter():
    found = moments(wave(exact_time=True), range(10_000), start=NINE)
    assert found[0] < NINE + dt.timedelta(seconds=2)
    assert found[-1] <= NINE + dt.timedelta(seconds=60)


@pytest.mark.parametrize("began", [NINE + dt.timedelta(minutes=minutes) for minutes in (3, 5.5, 12.2)])
def test_a_run_that_starts_now_grows_evenly_over_a_minute(began):
    found = moments(wave(began=began), range(10_000), start=began)
    into = [(at - began).total_seconds() for at in found]
    early, middle, all_in = (sum(second <= limit for second in into) for limit in (15, 30, 60))
    if began.minute < 12:
        assert (early, middle, all_in) == (
            pytest.approx(625, rel=0.1),
            pytest.approx(2_500, rel=0.05),
            10_000,
        )
    else:
        # What does not go before the quarter hour's quiet begins again after it.
        assert all_in < 10_000
        assert not any(is_quiet(at) for at in found)


def test_after_the_quiet_a_long_run_goes_on_slowly_again():
    began = NINE - dt.timedelta(minutes=10)
    resumed = NINE + dt.timedelta(minutes=2)
    found = moments(wave(began=began), range(10_000), start=NINE)
    into = [(at - resumed).total_seconds() for at in found]
    assert min(into) >= 0
    assert sum(second <= 15 for second in into) == pytest.approx(625, rel=0.1)


def test_a_push_whose_time_has_come_is_good_until_the_next_quiet_less_the_time_to_post_it():
    began = NINE + dt.timedelta(minutes=3)
    found = rhythm.release(wave(began=began), 7, now=began + dt.timedelta(minutes=5), margin=MARGIN)
    assert found.frees_at is None
    assert found.good_until == NINE + dt.timedelta(minutes=12, seconds=30)


def test_small_runs_and_transactional_messages_keep_no_rhythm():
    assert rhythm.binds(wave())
    assert not rhythm.binds(wave(planned_count=1_999))
    assert not rhythm.binds(wave(message_class="transactional"))


def test_a_run_beyond_what_the_minute_holds_is_let_go_after_it():
    """The ceiling itself is the credential's limit: the ramp does not stretch a run of millions over hours."""
    began = NINE + dt.timedelta(minutes=3)
    found = moments(wave(planned_count=3_000_000, began=began), range(10_000), start=began)
    assert found[-1] == began + dt.timedelta(seconds=60)


@pytest.mark.parametrize("minute", range(60))
def test_the_quiet_is_two_minutes_around_each_quarter(minute):
    at = NINE.replace(minute=minute, second=30)
    assert (rhythm.quiet_around(at) is not None) == is_quiet(at)
    if not is_quiet(at):
        assert is_quiet(rhythm.next_quiet(at))
        assert not is_quiet(rhythm.next_quiet(at) - dt.timedelta(seconds=1))
