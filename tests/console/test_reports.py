"""A campaign's report: what it says, and that its export says the same."""

import csv
import datetime as dt
import io
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from audiences.consent import NewChoice, record
from campaigns.results.campaign import result_of
from campaigns.results.lift import Counts, compare
from console.reports.charts import course
from console.reports.exports import cell
from delivery.models import Message, Push
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_superuser("anna", password="x"))
    return client


@pytest.fixture
def finished(now):
    """10 told (8 sent, 2 held back), 4 held out; 3 told and 1 held out ordered; one click led to an order."""
    at = now - dt.timedelta(days=10)
    campaign = make.campaign(state="finished", scheduled_at=at, launched_at=at, goal_hours=168)
    wave = make.wave(
        origin=campaign.origin, due_at=at, wave_on=at.date(), expires_at=at + dt.timedelta(days=1), topic=campaign.topic
    )
    for number in range(14):
        person = make.profile()
        told = number < 10
        state = ("suppressed" if number < 2 else "sent") if told else "held_out"
        message = make.message(
            wave,
            person,
            arm="told" if told else "control",
            state=state,
            reason={"suppressed": "no_device", "held_out": "control"}.get(state, ""),
            decided_at=None if state == "suppressed" else at,
            intent_at=at if state == "sent" else None,
        )
        if state == "sent":
            Push.objects.create(
                id=uuid4(),
                wave=wave,
                wave_on=wave.wave_on,
                message=message,
                profile=person,
                device=make.device(person),
                send_key=f"w{wave.pk}",
                state="sent",
                intent_at=at,
                shown_at=at + dt.timedelta(minutes=1),
                clicked_at=at + dt.timedelta(minutes=2) if number in (2, 3) else None,
            )
        if number in (2, 4, 5, 10):
            make.event(person, "Order Completed", at=at + dt.timedelta(hours=5))
        if number in (6, 7):
            make.event(person, "Order Completed", at=at + dt.timedelta(days=8))
        if number == 8:
            make.event(person, "Order Completed", at=at - dt.timedelta(hours=1))
    return campaign


def test_the_funnel_counts_profiles(finished, now):
    result = result_of(finished, now=now)
    assert [(stage.name, stage.profiles) for stage in result.funnel] == [
        ("planned", 14),
        ("sent", 8),
        ("shown", 8),
        ("clicked", 2),
        ("converted", 3),
    ]
    assert result.reasons == (("suppressed", "no_device", 2),)
    assert (result.held_out, result.attributed, result.is_mature) == (4, 1, True)


def test_only_goals_inside_the_window_after_the_decision_count(finished, now):
    caused = result_of(finished, now=now).caused
    assert (caused.told, caused.control) == (Counts(8, 3), Counts(4, 1))
    assert result_of(finished, now=now).verdict == "too_few"


def test_a_later_click_on_another_campaign_takes_the_attribution(finished, now):
    click = Push.objects.filter(clicked_at__isnull=False).order_by("clicked_at", "profile_id").first()
    other = make.wave(wave_on=click.wave_on)
    Push.objects.create(
        id=uuid4(),
        wave=other,
        wave_on=other.wave_on,
        message=make.message(other, click.profile),
        profile=click.profile,
        device=click.device,
        send_key="other",
        state="sent",
        intent_at=click.intent_at,
        clicked_at=click.clicked_at + dt.timedelta(hours=1),
    )
    assert result_of(finished, now=now).attributed == 0


def test_the_report_recomputes_from_its_export(finished, staff, now):
    body = b"".join(staff.get(f"/console/reports/campaigns/{finished.pk}/profiles.csv").streaming_content)
    lines = list(csv.DictReader(io.StringIO(body.decode())))
    arms = {
        arm: Counts(
            sum(1 for line in lines if line["arm"] == arm and line["decided_at"]),
            sum(1 for line in lines if line["arm"] == arm and line["decided_at"] and line["converted_at"]),
        )
        for arm in ("told", "control")
    }
    assert compare(arms["told"], arms["control"]) == result_of(finished, now=now).caused


def test_the_page_says_it_in_words_and_shows_the_charts(finished, staff):
    page = staff.get(f"/console/reports/campaigns/{finished.pk}/").content.decode()
    assert "Too few to say" in page
    assert "992 more profiles told" in page
    for chart in ("chart-funnel", "chart-reasons", "chart-course", "chart-arms"):
        assert f'data-chart="{chart}"' in page
    assert "no_device" in page


def test_who_opted_out_or_forbade_notifications_within_a_day_has_left(finished, now):
    at = now - dt.timedelta(days=10)
    told = list(Message.objects.filter(arm="told", state="sent").order_by("profile_id"))
    held = Message.objects.filter(arm="control").first()
    make.device(held.profile, permission="denied", permission_lost_at=at + dt.timedelta(hours=5))
    told[0].profile.devices.update(permission="denied", permission_lost_at=at + dt.timedelta(hours=1))
    told[1].profile.devices.update(permission="denied", permission_lost_at=at + dt.timedelta(hours=25))
    for one, hours in ((told[2], 2), (told[0], 3)):
        choice = NewChoice(profile_id=one.profile_id, topic_id=None, decision="out", source="preference page")
        record([choice], now=at + dt.timedelta(hours=hours))
    told[3].profile.devices.update(permission="denied", permission_lost_at=at + dt.timedelta(hours=20))
    Push.objects.filter(message=told[4]).update(state="dropped", finished_at=at)
    result = result_of(finished, now=now)
    assert (result.opt_outs.told, result.opt_outs.control) == (Counts(8, 3), Counts(4, 1))
    assert (result.lost_permission, result.dead_addresses) == (1, 1)


def test_the_page_tells_who_left_by_forbidding_notifications(finished, staff, now):
    at = now - dt.timedelta(days=10)
    one = Message.objects.filter(arm="told", state="sent").first()
    one.profile.devices.update(permission="denied", permission_lost_at=at + dt.timedelta(hours=1))
    page = staff.get(f"/console/reports/campaigns/{finished.pk}/").content.decode()
    assert "1 of 8 told people left within 24 hours (12.50%), 1 of them by forbidding notifications" in page


def test_the_course_of_the_first_minutes_is_a_line_already(finished, now):
    at = now - dt.timedelta(days=10)
    early = result_of(finished, now=at + dt.timedelta(minutes=30))
    assert early.grain == "minute"
    sent = next(line for line in course(early)["data"] if line["name"] == "Sent")
    assert sent["y"][:2] == [0, 8]
    assert len(sent["x"]) >= 3
    assert sent["x"] == sorted(sent["x"])
    late = result_of(finished, now=now)
    assert late.grain == "hour"
    ends = {line["x"][-1] for line in course(late)["data"]}
    assert len(ends) == 1


def test_an_empty_report_tells_the_next_step(staff):
    assert b"No report yet" in staff.get("/console/reports/").content


def test_a_campaign_that_has_not_gone_out_has_an_empty_report(staff):
    campaign = make.campaign()
    page = staff.get(f"/console/reports/campaigns/{campaign.pk}/")
    assert page.status_code == 200
    assert b"Nothing was planned yet" in page.content


def test_what_was_stopped_before_its_time_has_no_report(finished, staff):
    make.campaign(name="Never sent", state="stopped")
    page = staff.get("/console/reports/").content.decode()
    assert finished.name in page
    assert "Never sent" not in page


def test_a_report_takes_few_queries(finished, staff, django_assert_max_num_queries):
    with django_assert_max_num_queries(16):
        staff.get(f"/console/reports/campaigns/{finished.pk}/")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\0"])
def test_a_spreadsheet_never_runs_what_is_exported(start):
    assert cell(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"


def test_numbers_and_times_are_exported_as_they_are(now):
    assert [cell(one) for one in (-5, 0.25, None, now)] == ["-5", "0.25", "", "2026-11-24T12:00:00+00:00"]


def test_a_message_still_open_keeps_the_report_preliminary(finished, now):
    Message.objects.filter(state="suppressed").update(state="queued", reason="")
    assert not result_of(finished, now=now).is_mature
