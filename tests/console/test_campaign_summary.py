"""What a campaign would do, counted before it is launched."""

from __future__ import annotations

import datetime as dt

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audiences.models import Permission, Segment
from console.campaign_summary import forget, summarise
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


def counted(queries: CaptureQueriesContext) -> int:
    return sum("WITH member" in query["sql"] for query in queries)


def test_what_was_just_counted_is_not_counted_again_while_somebody_types(now: dt.datetime) -> None:
    make.credential()
    segment = everyone()

    def asked(*, goal_event: str = "Order Completed", **more: object) -> int:
        given = {"control_percent": 10, "goal_hours": 168} | more
        with CaptureQueriesContext(connection) as queries:
            summarise([segment], [], goal_event=goal_event, now=now, **given)  # type: ignore[arg-type]
        return counted(queries)

    assert (asked(), asked(), asked(control_percent=20)) == (1, 0, 0)
    assert (asked(goal_hours=24), asked(goal_event="Signed Up")) == (1, 1)
    segment.rule = {"attribute": "plan", "kind": "string", "op": "=", "value": "trial"}
    assert (asked(), asked()) == (1, 0)
    make.device(make.profile(), gateway="fcm", address="x", app="no.credential")
    assert asked() == 1


def test_an_audience_that_took_too_long_to_count_is_not_tried_again_at_once(
    now: dt.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.campaign_summary.COUNTING_SECONDS", 0.1)
    segment = everyone()
    given = {"control_percent": 10, "goal_event": "", "goal_hours": 24, "now": now}
    at = connection.get_connection_params()
    with psycopg.connect(host=at.get("host"), user=at.get("user"), dbname=at["dbname"]) as other:
        other.execute("LOCK TABLE audiences_profile")
        found = summarise([segment], [], **given)  # type: ignore[arg-type]
    assert found.reach is None
    assert "takes longer to count" in found.trouble
    with CaptureQueriesContext(connection) as queries:
        again = summarise([segment], [], **given)  # type: ignore[arg-type]
    assert (again.trouble, counted(queries)) == (found.trouble, 0)
    forget()
    assert summarise([segment], [], **given).reach is not None  # type: ignore[arg-type]
