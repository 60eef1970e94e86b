"""The numbers of a comparison, against values computed elsewhere."""

import pytest

from campaigns.results.lift import Counts, compare, guardrail, lift_of, sample_ratio
from campaigns.results.power import control_needed, smallest_lift

TOLD, CONTROL = Counts(90_000, 2_070), Counts(10_000, 200)


def test_pooled_z_and_its_p():
    seen = compare(TOLD, CONTROL)
    assert seen.z == pytest.approx(1.91080, abs=5e-6)
    assert seen.p == pytest.approx(0.05603006, abs=5e-8)


def test_difference_has_newcombes_interval():
    assert compare(TOLD, CONTROL).difference_interval == pytest.approx((-0.0000867, 0.0057533), abs=5e-8)


def test_lift_has_the_katz_interval_and_counts_what_it_caused():
    lift = compare(TOLD, CONTROL).lift
    assert lift is not None
    assert lift.lift == pytest.approx(0.15)
    assert lift.interval == pytest.approx((-0.003884, 0.327656), abs=5e-7)
    assert round(lift.incremental) == 270
    assert [round(end) for end in lift.incremental_interval] == [-8, 511]


def test_the_interval_that_holds_zero_leaves_the_question_open():
    assert compare(TOLD, CONTROL).verdict == "open"


@pytest.mark.parametrize(
    "counts, weights, chi2, alarms",
    [
        ((90_421, 9_579), (90, 10), 19.693444, True),
        ((44_700, 45_489), (50, 50), 6.902405, False),
        ((500, 600, 700), (1, 1, 1), 33.333333, True),
    ],
)
def test_sample_ratio_alarms_only_when_the_arms_cannot_be_chance(counts, weights, chi2, alarms):
    seen = sample_ratio(counts, weights)
    assert seen.chi2 == pytest.approx(chi2, abs=5e-7)
    assert seen.alarms is alarms


def test_sample_ratio_states_its_p():
    assert sample_ratio((44_700, 45_489), (50, 50)).p == pytest.approx(0.00860799, abs=5e-9)


def test_opt_outs_are_inconclusive_when_the_interval_spans_both_ends():
    told, control = Counts(90_000, 468), Counts(10_000, 50)
    lift = lift_of(told, control)
    assert lift is not None
    assert lift.log_ratio == pytest.approx(0.03922071, abs=5e-9)
    assert lift.standard_error == pytest.approx(0.14841038, abs=5e-9)
    verdict, interval = guardrail(told, control)
    assert interval == pytest.approx((-0.185265, 0.327549), abs=5e-7)
    assert verdict == "INCONCLUSIVE"


@pytest.mark.parametrize("ratio, needed", [(1, 80_678.6), (9, 43_150.5)])
def test_sample_size_before_launch(ratio, needed):
    assert control_needed(0.02, 0.10, ratio=ratio) == pytest.approx(needed, abs=0.05)


def test_smallest_lift_that_a_tenth_held_out_can_show():
    assert smallest_lift(0.02, told=90_000, control=10_000) == pytest.approx(0.209, abs=5e-4)


def test_a_tiny_audience_can_show_nothing():
    assert smallest_lift(0.02, told=9, control=1) is None


def test_too_few_says_what_is_missing():
    seen = compare(Counts(3_900, 60), Counts(437, 4))
    assert seen.verdict == "too_few"
    assert seen.missing == ("563 more profiles held out", "21 more conversions in the smaller arm")


def test_without_a_conversion_in_one_arm_there_is_fishers_p_and_no_lift():
    seen = compare(Counts(2_000, 30), Counts(1_000, 0))
    assert seen.lift is None
    assert seen.p == pytest.approx(6.151205e-06, rel=1e-6)
    assert seen.verdict == "too_few"


def test_empty_arms_are_no_error():
    assert compare(Counts(0, 0), Counts(0, 0)).verdict == "too_few"
