"""What a campaign would do, counted before it is launched."""

from __future__ import annotations

import datetime as dt

import pytest

from audiences.models import Permission, Segment
from console.campaign_summary import summarise
from tests import make

pytestmark = pytest.mark.django_db


def everyone() -> Segment:
    return make.segment({"everyone": True})


def test_the_audience_is_counted_with_those_who_can_be_reached_and_those_who_convert_anyway(now: dt.datetime) -> None:
    make.credential()
    for number in range(20):
        person = make.profile()
        if number < 10:
            make.device(person)
        if number % 2:
            make.device(person, gateway="fcm", address=f"fcm-{number}", app="no.credential")
        elif number < 15:
            make.device(person, permission=Permission.DENIED)
        if number < 4:
            make.event(person, "Order Completed", at=now - dt.timedelta(hours=number + 1))
            make.event(person, "Order Completed", at=now - dt.timedelta(hours=number + 2))
        if number == 5:
            make.event(person, "Order Completed", at=now - dt.timedelta(days=8))
    found = summarise([everyone()], [], control_percent=10, goal_event="Order Completed", goal_hours=168, now=now)
    assert found.reach is not None
    assert (found.reach.people, found.reach.reachable, found.reach.converting) == (20, 10, 4)
    assert (found.left_alone, found.told) == (1, 9)
    assert found.base == 0.2


def test_who_is_left_out_is_not_counted(now: dt.datetime) -> None:
    make.profile(attributes={"plan": "trial"})
    make.profile(attributes={"plan": "full"})
    trial = make.segment({"attribute": "plan", "kind": "string", "op": "=", "value": "trial"})
    found = summarise([everyone()], [trial], control_percent=10, goal_event="", goal_hours=24, now=now)
    assert found.reach is not None
    assert found.reach.people == 1


def test_without_a_segment_it_asks_for_one(now: dt.datetime) -> None:
    found = summarise([], [], control_percent=10, goal_event="", goal_hours=24, now=now)
    assert found.reach is None
    assert "Choose a segment" in found.trouble


def test_a_broken_rule_is_named_not_counted(now: dt.datetime) -> None:
    broken = make.segment({"all": []})
    found = summarise([broken], [], control_percent=10, goal_event="", goal_hours=24, now=now)
    assert found.reach is None
    assert "not valid" in found.trouble


def test_the_smallest_lift_is_told_with_what_people_do_anyway(now: dt.datetime) -> None:
    from console.campaign_summary import Reach, Summary

    found = Summary(Reach(100_000, 100_000, 2_000), 10, "Order Completed", 168)
    assert found.detectable() == (
        "2.0% of them do “Order Completed” within 7 days anyway. The report can show a lift of 21% or more "
        "(to 2.4%), four times in five."
    )
    tiny = Summary(Reach(100, 100, 2), 10, "Order Completed", 168)
    assert "no effect that one may hope for" in tiny.detectable()
    never = Summary(Reach(100, 100, 0), 10, "Order Completed", 168)
    assert "no lift can be foretold" in never.detectable()
    assert Summary(Reach(100, 100, 2), 0, "Order Completed", 168).detectable() == ""
