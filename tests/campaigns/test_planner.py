"""From a launched campaign to its messages: everyone once, each in the arm that the hash gives."""

import datetime as dt

import pytest

from audiences.buckets import bucket
from audiences.models import Standing
from campaigns import launch, planner, tasks
from campaigns.models import Campaign
from delivery.models import Message, SendingRules, Wave
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign(now):
    make.credential()
    made = make.campaign(control_percent=10)
    made.included.add(make.segment({"everyone": True}))
    return made


def launched(campaign, now):
    launch.launch(campaign, by=None, now=now)
    campaign.refresh_from_db()
    return planner.open_wave(campaign, now=now)


def test_each_profile_gets_one_message_in_the_arm_of_its_hash(campaign, now):
    people = [make.profile() for _ in range(200)]
    wave = launched(campaign, now)
    planner.plan(wave, now=now)
    arms = dict(Message.objects.filter(wave=wave).values_list("profile_id", "arm"))
    assert set(arms) == {one.pk for one in people}
    assert arms == {pk: "control" if bucket(campaign.salt, pk) < 1000 else "told" for pk in arms}


def test_who_is_in_the_global_holdout_never_enters_the_control(campaign, now):
    SendingRules.objects.create(pk=1, global_holdout_percent=20, quiet_from=None, quiet_until=None)
    salt = SendingRules.current().global_holdout_salt
    for _ in range(100):
        make.profile()
    wave = launched(campaign, now)
    planner.plan(wave, now=now)
    for pk, arm in Message.objects.filter(wave=wave).values_list("profile_id", "arm"):
        assert (arm == "global_holdout") == (bucket(salt, pk) < 2000)


def test_a_transactional_campaign_holds_nobody_out(campaign, now):
    SendingRules.objects.create(pk=1, global_holdout_percent=50, quiet_from=None, quiet_until=None)
    for _ in range(30):
        make.profile()
    Campaign.objects.update(message_class="transactional")
    campaign.refresh_from_db()
    wave = launched(campaign, now)
    planner.plan(wave, now=now)
    assert set(Message.objects.values_list("arm", flat=True)) == {"told"}


def test_planning_goes_on_where_it_was_cut_short_and_doubles_nothing(campaign, now):
    first = make.profile().pk
    for _ in range(49):
        make.profile()
    wave = launched(campaign, now)
    while planner.plan(wave, now=now, batch=first + 9 if not wave.plan_cursor else 10):
        wave.refresh_from_db()
        planner.plan(wave, now=now, batch=7)
        Wave.objects.filter(pk=wave.pk).update(plan_cursor=wave.plan_cursor)  # a crash that lost the cursor
    wave.refresh_from_db()
    assert Message.objects.filter(wave=wave).count() == 50
    assert (wave.state, wave.planned_at) == (Wave.State.RUNNING, now)


def test_two_planners_open_one_wave(campaign, now):
    make.profile()
    launch.launch(campaign, by=None, now=now)
    assert [planner.open_wave(campaign, now=now) is None for _ in range(2)] == [False, True]


def test_a_message_remembers_the_epoch_at_which_it_was_planned(campaign, now):
    person = make.profile()
    Standing.objects.update(epoch=7)
    wave = launched(campaign, now)
    planner.plan(wave, now=now)
    assert Message.objects.get(profile=person).planned_epoch == 7


def test_excluded_segments_are_left_out(campaign, now):
    make.profile(attributes={"plan": "trial"})
    kept = make.profile(attributes={"plan": "paid"})
    campaign.excluded.add(make.segment({"attribute": "plan", "kind": "string", "op": "=", "value": "trial"}))
    wave = launched(campaign, now)
    planner.plan(wave, now=now)
    assert [one.profile_id for one in Message.objects.filter(wave=wave)] == [kept.pk]


def test_planning_costs_a_fixed_number_of_queries(campaign, now, django_assert_max_num_queries):
    for _ in range(60):
        make.profile()
    wave = launched(campaign, now)
    with django_assert_max_num_queries(18):
        planner.plan(wave, now=now)


def test_a_scheduled_campaign_waits_for_its_time(campaign, now):
    make.profile()
    campaign.scheduled_at = now + dt.timedelta(hours=1)
    campaign.save()
    assert launched(campaign, now) is None
    assert list(Campaign.objects.due(now + dt.timedelta(hours=1))) == [campaign]


def test_pausing_and_resuming_while_planning_ends_in_a_whole_plan(campaign, now):
    for _ in range(5):
        make.profile()
    wave = launched(campaign, now)
    assert launch.pause(campaign, now=make.NOW)
    assert not planner.plan(wave, now=now)
    assert not Message.objects.exists()
    assert launch.resume(campaign, now=now)
    planner.plan(wave, now=now)
    assert Message.objects.count() == 5


def test_a_stopped_campaign_stays_stopped(campaign, now):
    make.profile()
    wave = launched(campaign, now)
    planner.plan(wave, now=now)
    assert launch.stop(campaign, now=now)
    assert not launch.resume(campaign, now=now)
    wave.refresh_from_db()
    assert (campaign.state, wave.state) == ("stopped", "stopped")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"goal_event": ""}, "goal_event"),
        ({"control_percent": 0}, "control_reason"),
        ({"topic": None}, "topic"),
        ({"scheduled_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, "scheduled_at"),
    ],
)
def test_what_is_missing_blocks_the_launch_beside_its_field(campaign, now, change, field):
    make.profile()
    for name, value in change.items():
        setattr(campaign, name, value)
    campaign.save()
    with pytest.raises(launch.NotLaunchable) as refused:
        launch.launch(campaign, by=None, now=now)
    assert [problem.field for problem in refused.value.problems] == [field]


def test_an_empty_audience_blocks_the_launch(campaign, now):
    with pytest.raises(launch.NotLaunchable, match="Nobody"):
        launch.launch(campaign, by=None, now=now)


def test_launching_twice_is_launching_once(campaign, now):
    make.profile()
    launch.launch(campaign, by=None, now=now)
    launch.launch(campaign, by=None, now=now + dt.timedelta(hours=1))
    campaign.refresh_from_db()
    assert campaign.launched_at == now


def test_a_campaign_whose_wave_was_paused_by_a_guard_is_paused_and_can_go_on(campaign, now):
    make.profile()
    wave = launched(campaign, now)
    planner.plan(wave, now=now)
    assert launch.notice_halts() == 0
    Wave.objects.update(state=Wave.State.PAUSED, state_reason="Something is wrong.", fix_count=20)
    tasks.close_finished()
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.PAUSED
    assert launch.resume(campaign, now=now)
    wave.refresh_from_db()
    assert (wave.state, wave.state_reason, wave.fix_count) == (Wave.State.RUNNING, "", 0)
    tasks.close_finished()
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.RUNNING
