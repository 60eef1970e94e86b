"""A campaign in the console: its form, its launch and what its page tells while it goes out."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audiences.models import Profile
from campaigns import planner, preflight
from campaigns.models import Campaign
from delivery.models import Credential, Message, SendingRules, Wave
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def console() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("olive"))
    return client


def answers(**said: object) -> dict[str, object]:
    """A filled-in form."""
    segment = make.segment({"everyone": True})
    template = make.version().template
    return {
        "name": "Spring",
        "included": [segment.pk],
        "template": template.pk,
        "topic": make.topic().pk,
        "message_class": "promotional",
        "goal_event": "Order Completed",
        "goal_hours_number": "7",
        "goal_hours_unit": "day",
        "control_percent": "10",
        "control_reason": "",
        "expires_hours_number": "24",
        "expires_hours_unit": "hour",
        "start": "now",
        "start_at": "",
        "start_zone": "",
    } | said


def post_new(console: Client, **said: object) -> Campaign | None:
    console.post(reverse("console:campaigns_campaign_add"), answers(**said))
    return Campaign.objects.first()


def errors_of(console: Client, **said: object) -> dict[str, list[str]]:
    answer = console.post(reverse("console:campaigns_campaign_add"), answers(**said))
    assert answer.status_code == 200
    assert not Campaign.objects.filter(name="Spring").exclude(pk=said.get("pk", 0)).exists()
    return answer.context["form"].errors


def test_a_campaign_is_saved_as_a_draft_with_ten_percent_left_alone(console: Client) -> None:
    made = post_new(console)
    assert made is not None
    assert made.state == "draft"
    assert made.control_percent == 10
    assert made.scheduled_at is None
    assert made.created_by == User.objects.get()
    assert made.included.count() == 1


def test_a_time_is_told_by_the_clock_of_its_zone(console: Client) -> None:
    made = post_new(console, start="later", start_at="2026-12-24T09:00", start_zone="America/New_York")
    assert made is not None
    assert made.scheduled_at == dt.datetime(2026, 12, 24, 14, 0, tzinfo=dt.UTC)
    form = console.get(reverse("console:campaigns_campaign_change", args=[made.pk])).context["form"]
    assert form.initial["start"] == "later"
    assert form.initial["start_at"] == "2026-12-24T14:00"


def test_a_time_without_a_zone_is_the_sites(console: Client) -> None:
    SendingRules.objects.create(pk=1, default_zone="Europe/Berlin")
    made = post_new(console, start="later", start_at="2026-12-24T09:00")
    assert made is not None
    assert made.scheduled_at == dt.datetime(2026, 12, 24, 8, 0, tzinfo=dt.UTC)


def test_a_day_an_hour_and_a_minute_make_a_time(console: Client) -> None:
    said = {"start_at_day": "2026-12-24", "start_at_hour": "09", "start_at_minute": "03"}
    without = {name: value for name, value in answers(start="later").items() if name != "start_at"}
    console.post(reverse("console:campaigns_campaign_add"), without | said)
    made = Campaign.objects.get()
    assert made.scheduled_at == dt.datetime(2026, 12, 24, 9, 3, tzinfo=dt.UTC)
    html = console.get(reverse("console:campaigns_campaign_change", args=[made.pk])).content.decode()
    assert 'value="2026-12-24"' in html


def test_minutes_near_the_quarter_hours_are_offered_only_where_exact_time_matters(console: Client) -> None:
    html = console.get(reverse("console:campaigns_campaign_add")).content.decode()
    minutes = html.partition('name="start_at_minute"')[2].partition("</select>")[0]
    hidden = {
        int(option.partition("value=")[2][1:3]) for option in minutes.split("<option")[1:] if "x-bind:hidden" in option
    }
    offered = set(range(60)) - hidden
    assert offered == {m for first in (3, 18, 33, 48) for m in range(first, first + 10)}
    assert "Google asks large runs to stay away" in " ".join(html.split())


def test_how_fast_and_how_exact_a_campaign_goes_is_kept_and_given_to_its_wave(console: Client) -> None:
    made = post_new(console, per_minute="600", exact_time="on")
    assert made is not None
    assert (made.per_minute, made.exact_time) == (600, True)
    Campaign.objects.update(state="scheduled", scheduled_at=make.NOW, version=made.template.latest())
    wave = planner.open_wave(made, now=make.NOW)
    assert wave is not None
    assert (wave.per_minute, wave.exact_time) == (600, True)


def test_no_limit_a_minute_is_none_and_zero_is_refused(console: Client) -> None:
    assert "per_minute" in errors_of(console, per_minute="0")
    made = post_new(console)
    assert made is not None
    assert made.per_minute is None


def test_a_start_near_a_quarter_hour_is_told_where_android_would_wait(console: Client) -> None:
    def warns(**values: object) -> bool:
        made = ready(scheduled_at=dt.datetime(2026, 12, 24, 9, 0, tzinfo=dt.UTC), **values)
        found = preflight.problems(made, now=make.NOW)
        return any("Android waits until 09:02 UTC" in problem.message for problem in found)

    assert not warns()
    Credential.objects.create(gateway="fcm", name="Android", public_key="shop", secret=b"")
    assert warns()
    assert not warns(exact_time=True)
    assert not warns(message_class="transactional")


def test_a_time_that_the_clocks_skip_is_refused(console: Client) -> None:
    found = errors_of(console, start="later", start_at="2027-03-28T02:30", start_zone="Europe/Berlin")
    assert "does not exist" in found["start_at"][0]


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({"name": ""}, "name", "Give it a name"),
        ({"template": ""}, "template", "Choose what it says"),
        ({"start": "later"}, "start_at", "Say when"),
        (
            {"start": "later", "start_at": "9999-12-31T23:57", "start_zone": "America/New_York"},
            "start_at",
            "in the next 2 years",
        ),
        ({"goal_hours_number": "-3"}, "goal_hours", "At least 1 hour"),
        ({"control_percent": "60"}, "control_percent", "from 0 to 50 percent"),
        ({"start": "later", "start_at": "2026-12-24T09:00", "start_zone": "Berlin"}, "start_zone", "Europe/Berlin"),
        ({"expires_hours_number": "0"}, "expires_hours", "At least 1 hour"),
        ({"expires_hours_number": "5", "expires_hours_unit": "week"}, "expires_hours", "At most 28 days"),
        ({"goal_hours_number": "soon"}, "goal_hours", "whole number"),
        ({"goal_hours_number": ""}, "goal_hours", "Say how long"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    console: Client, said: dict[str, object], field: str, words: str
) -> None:
    assert words in errors_of(console, **said)[field][0]


def test_lengths_of_time_are_asked_and_shown_as_a_number_and_a_unit(console: Client) -> None:
    made = post_new(console, expires_hours_number="2", expires_hours_unit="week")
    assert made is not None
    assert (made.goal_hours, made.expires_hours) == (168, 336)
    where = reverse("console:campaigns_campaign_change", args=[made.pk])
    html = console.get(where).content.decode()
    assert 'name="goal_hours_number" value="7"' in html
    assert 'name="expires_hours_number" value="14"' in html
    assert "within 7 days" in console.get(reverse("console:campaign_launch", args=[made.pk])).content.decode()


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({"goal_event": ""}, "goal_event", "Name the event"),
        ({"topic": ""}, "topic", "Choose a topic"),
        ({"included": []}, "included", "at least one segment"),
        ({"control_percent": "0"}, "control_reason", "say why there is none"),
        ({"start": "later", "start_at": "2020-12-24T09:00"}, "start_at", "has passed"),
        ({"start": "later", "start_at": "0001-01-01T00:00", "start_zone": "Asia/Tokyo"}, "start_at", "has passed"),
    ],
)
def test_what_a_launch_misses_is_said_beside_its_field_and_nothing_is_lost(
    console: Client, said: dict[str, object], field: str, words: str
) -> None:
    make.credential()
    make.profile()
    answer = console.post(reverse("console:campaigns_campaign_add"), answers(**said) | {"launch": "1"})
    assert words in answer.context["form"].errors[field][0]
    assert not Campaign.objects.exists()
    assert 'value="Spring"' in answer.content.decode()
    draft = post_new(console, **said)  # as a draft it may wait for the rest
    assert draft is not None
    answer = console.post(
        reverse("console:campaigns_campaign_change", args=[draft.pk]), answers(**said) | {"launch": "1"}
    )
    assert words in answer.context["form"].errors[field][0]
    assert Campaign.objects.get().pk == draft.pk


def test_what_misses_nothing_comes_to_the_launch_page(console: Client) -> None:
    make.credential()
    make.profile()
    answer = console.post(reverse("console:campaigns_campaign_add"), answers() | {"launch": "1"})
    assert answer["Location"] == reverse("console:campaign_launch", args=[Campaign.objects.get().pk])


@pytest.mark.parametrize("crooked", ["x", "1e3", "9" * 40, "-1"])
def test_a_summary_of_no_campaign_is_not_found(console: Client, crooked: str) -> None:
    answer = console.post(reverse("console:campaign_summary"), answers() | {"campaign": crooked})
    assert answer.status_code == 404


def test_two_campaigns_do_not_share_a_name(console: Client) -> None:
    taken = make.campaign(name="Spring")
    assert "of this name already" in errors_of(console, pk=taken.pk)["name"][0]


def test_taking_the_time_away_lets_it_start_at_launch(console: Client) -> None:
    made = post_new(console, start="later", start_at="2026-12-24T09:00")
    assert made is not None
    where = reverse("console:campaigns_campaign_change", args=[made.pk])
    console.post(where, answers(name="Spring") | {"start": "now", "start_at": "2026-12-24T09:00"})
    made.refresh_from_db()
    assert made.scheduled_at is None


def running(**values: object) -> tuple[Campaign, Wave]:
    now = dt.datetime.now(dt.UTC)
    campaign = make.campaign(state=Campaign.State.RUNNING, scheduled_at=now, launched_at=now, **values)
    return campaign, make.wave(origin=campaign.origin, wave_on=now.date(), due_at=now, created_at=now)


PEOPLE = {
    "shop-7": {"first_name": "Ada", "last_name": "Byron", "email": "Ada@shop.example.net"},
    "shop-71": {"name": "Grace Hopper", "email": "grace@navy.example"},
    "shop-8": {"first_name": "Adam", "last_name": "Smith"},
}


def decided() -> Campaign:
    """A campaign with a message for each of PEOPLE; Adam's was held back."""
    campaign, wave = running()
    for external_id, attributes in PEOPLE.items():
        is_adam = attributes.get("first_name") == "Adam"
        make.message(
            wave,
            make.profile(external_id, attributes=attributes),
            state="suppressed" if is_adam else "sent",
            reason="opted_out" if is_adam else "",
        )
    return campaign


def found_in(console: Client, campaign: Campaign, words: str, **more: str) -> list[str | None]:
    where = reverse("console:campaign_people", args=[campaign.pk])
    return [row.profile.external_id for row, _, _ in console.get(where, {"q": words, **more}).context["rows"]]


@pytest.mark.parametrize("most", [500, 0])
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("shop-7", ["shop-7", "shop-71"]),
        ("shop-71", ["shop-71"]),
        (" ada ", ["shop-7", "shop-8"]),
        ("Ada Byr", ["shop-7"]),
        ("ADA@SHOP", ["shop-7"]),
        ("grace hop", ["shop-71"]),
        ("smith", ["shop-8"]),
        ("hopper", []),
        ("", ["shop-7", "shop-71", "shop-8"]),
    ],
)
def test_somebody_is_found_among_a_campaigns_people_by_id_name_or_mail(
    console: Client, monkeypatch: pytest.MonkeyPatch, words: str, found: list[str], most: int
) -> None:
    monkeypatch.setattr("audiences.look_up.MOST_FOUND", most)
    campaign = decided()
    make.profile("shop-79", attributes={"first_name": "Ada"})  # in no audience
    assert found_in(console, campaign, words) == found
    assert found_in(console, campaign, words, state="suppressed") == [one for one in found if one == "shop-8"]


def test_who_was_merged_is_found_in_a_campaign_by_whom_they_became(console: Client) -> None:
    campaign = decided()
    survivor = make.profile("survivor", attributes={"name": "Lady Lovelace"})
    Profile.objects.filter(external_id="shop-7").update(merged_into=survivor, attributes={})
    for words in ("survivor", "lady"):
        assert found_in(console, campaign, words) == ["shop-7"]


def test_a_search_among_a_campaigns_people_goes_on_to_the_next_page(console: Client) -> None:
    campaign, wave = running()
    for number in range(105):
        make.message(wave, make.profile(f"bo-{number:03}"), state="sent")
    make.message(wave, make.profile("di"), state="sent")
    where = reverse("console:campaign_people", args=[campaign.pk])
    first = console.get(where, {"q": "bo-"})
    assert 'value="bo-"' in first.content.decode()
    second = console.get(where + first.context["next_page"]).context
    assert [row.profile.external_id for row, _, _ in second["rows"]] == [f"bo-{n}" for n in range(100, 105)]
    assert second["next_page"] == ""


def test_nobody_found_among_a_campaigns_people_says_what_to_do(console: Client) -> None:
    html = console.get(reverse("console:campaign_people", args=[decided().pk]), {"q": "<b>eve"}).content.decode()
    assert "begins with “&lt;b&gt;eve”" in html
    assert "Who was not in its audience" in html
    assert "Show all" in html


def test_a_search_among_a_campaigns_people_costs_the_same_queries_however_many_are_found(console: Client) -> None:
    campaign, wave = running()
    found_in(console, campaign, "Bo")  # what a process remembers for a while is known then
    counts = []
    for number in range(3):
        make.message(wave, make.profile(f"bo-{number}", attributes={"name": "Bo"}), state="sent")
        with CaptureQueriesContext(connection) as queries:
            assert len(found_in(console, campaign, "Bo")) == number + 1
        counts.append(len(queries))
    assert len(set(counts)) == 1
    assert counts[0] <= 25


def test_the_people_of_a_campaign_are_listed_by_state_page_by_page(console: Client) -> None:
    campaign, wave = running()
    people = [make.profile(f"person {number:03}") for number in range(105)]
    Message.objects.bulk_create(
        Message(
            wave=wave,
            wave_on=wave.wave_on,
            profile=person,
            arm="told",
            state="sent" if number % 2 else "suppressed",
            reason="" if number % 2 else "no_device",
            due_at=wave.due_at,
            planned_at=wave.due_at,
            planned_epoch=0,
        )
        for number, person in enumerate(people)
    )
    where = reverse("console:campaign_people", args=[campaign.pk])
    first = console.get(where).context
    assert [row.profile.external_id for row, _, _ in first["rows"]] == [f"person {n:03}" for n in range(100)]
    second = console.get(where + first["next_page"]).context
    assert [row.profile.external_id for row, _, _ in second["rows"]] == [f"person {n:03}" for n in range(100, 105)]
    assert second["next_page"] == ""
    held_back = console.get(where, {"state": "suppressed", "reason": "no_device"}).context["rows"]
    assert len(held_back) == 53


def test_a_running_campaign_cannot_be_edited(console: Client) -> None:
    campaign, _ = running(name="On its way")
    console.post(reverse("console:campaigns_campaign_change", args=[campaign.pk]), answers(name="Changed"))
    campaign.refresh_from_db()
    assert campaign.name == "On its way"


def test_only_a_draft_can_be_deleted(console: Client) -> None:
    campaign, _ = running()
    assert (
        console.post(reverse("console:campaigns_campaign_delete", args=[campaign.pk]), {"post": "yes"}).status_code
        == 403
    )
    draft = make.campaign()
    console.post(reverse("console:campaigns_campaign_delete", args=[draft.pk]), {"post": "yes"})
    assert not Campaign.objects.filter(pk=draft.pk).exists()


def ready(**values: object) -> Campaign:
    """A draft that nothing stands against."""
    make.credential()
    make.device(make.profile())
    campaign = make.campaign(**values)
    campaign.included.add(make.segment({"everyone": True}))
    return campaign


def test_the_summary_says_what_is_missing_and_saves_nothing(console: Client) -> None:
    make.device(make.profile())
    where = reverse("console:campaign_summary")
    html = console.post(where, answers(name="", goal_event="")).content.decode()
    assert "Give it a name" in html
    assert "1 in the audience now; 0 of them can be reached" in " ".join(html.split())
    html = console.post(where, answers(goal_event="")).content.decode()
    assert "Name the event that you hope for" in html
    assert "Add a push credential" in html
    assert not Campaign.objects.exists()


def test_the_summary_costs_few_queries_however_many_segments_and_kinds_of_device(console: Client) -> None:
    make.credential()
    for number in range(5):
        make.device(make.profile(), gateway="fcm", address=f"x{number}", app=f"app.{number}")
    segments = [make.segment({"everyone": True}, f"Everyone {number}").pk for number in range(5)]
    said = answers(included=segments[:3], excluded=segments[3:])
    with CaptureQueriesContext(connection) as queries:
        console.post(reverse("console:campaign_summary"), said)
    asked = [
        one for one in queries if not one["sql"].startswith(("SAVEPOINT", "RELEASE", "ROLLBACK", "SELECT set_", "SET "))
    ]
    assert len(asked) <= 25, [one["sql"][:80] for one in asked]


def test_the_summary_of_a_saved_draft_puts_problems_beside_their_fields(console: Client) -> None:
    draft = ready(goal_event="Order Completed")
    said = answers(name="Changed", control_percent="0") | {"campaign": draft.pk}
    html = console.post(reverse("console:campaign_summary"), said).content.decode()
    beside = html.partition('id="problems-control_reason"')[2].partition("</div>")[0]
    assert "say why there is none" in beside
    draft.refresh_from_db()
    assert draft.name != "Changed"
    assert draft.control_percent == 10


def test_a_launch_is_asked_for_once_more_and_takes_a_post(console: Client) -> None:
    draft = ready()
    where = reverse("console:campaign_launch", args=[draft.pk])
    html = console.get(where).content.decode()
    assert "Launch now" in html
    draft.refresh_from_db()
    assert draft.state == "draft"
    console.post(where)
    draft.refresh_from_db()
    assert draft.state == "scheduled"
    assert draft.launched_by == User.objects.get()
    assert draft.version == draft.template.latest()


def test_a_campaign_with_an_error_is_not_launched(console: Client) -> None:
    draft = ready(goal_event="")
    where = reverse("console:campaign_launch", args=[draft.pk])
    html = console.get(where).content.decode()
    assert "Go back and mend it" in html
    assert "Launch now" not in html
    answer = console.post(where, follow=True)
    assert "Name the event that you hope for" in answer.content.decode()
    draft.refresh_from_db()
    assert draft.state == "draft"


def test_a_campaign_is_paused_resumed_and_stopped_by_hand(console: Client) -> None:
    campaign, wave = running()

    def do(name: str) -> tuple[str, str]:
        where = reverse("console:campaign_deed", args=[campaign.pk, name])
        assert console.get(where).status_code == 200
        console.post(where)
        campaign.refresh_from_db()
        wave.refresh_from_db()
        return campaign.state, wave.state

    assert do("pause") == ("paused", "paused")
    assert do("resume") == ("running", "running")
    assert do("stop") == ("stopped", "stopped")
    assert console.get(reverse("console:campaign_deed", args=[campaign.pk, "resume"])).status_code == 302


def test_asking_whether_to_stop_stops_nothing(console: Client) -> None:
    campaign, _ = running()
    console.get(reverse("console:campaign_deed", args=[campaign.pk, "stop"]))
    campaign.refresh_from_db()
    assert campaign.state == "running"


def test_an_analyst_sees_a_campaign_and_cannot_touch_it(client: Client) -> None:
    campaign, _ = running()
    analyst = User.objects.create_user("ann", is_staff=True)
    analyst.groups.add(Group.objects.get(name="Analyst"))
    client.force_login(analyst)
    html = client.get(reverse("console:campaigns_campaign_change", args=[campaign.pk])).content.decode()
    assert "It is going out" in html
    assert "Stop for good" not in html
    assert client.post(reverse("console:campaign_deed", args=[campaign.pk, "stop"])).status_code == 403
    assert client.post(reverse("console:campaign_launch", args=[campaign.pk])).status_code == 403


def test_devices_without_a_credential_are_told_before_a_launch_with_the_way_to_add_one(console: Client) -> None:
    made = ready()
    for number in range(3):
        make.device(make.profile(), gateway="fcm", address=f"fcm-{number}", app="com.shop.app")
    html = console.get(reverse("console:campaign_launch", args=[made.pk])).content.decode()
    assert "3 Android devices have no credential for com.shop.app." in html
    assert "Launch now" in html
    where = reverse("console:credential_new", args=["fcm"]) + "?app=com.shop.app&amp;environment="
    assert f'href="{where}"' in html
    assert 'value="com.shop.app"' in console.get(where.replace("&amp;", "&")).content.decode()


def test_who_may_not_add_a_credential_is_told_who_may(console: Client) -> None:
    made = ready()
    make.device(make.profile(), gateway="fcm", address="fcm-1", app="com.shop.app")
    marketer = User.objects.create_user("max", password="x", is_staff=True)
    marketer.groups.add(Group.objects.get(name="Marketer"))
    client = Client()
    client.force_login(marketer)
    html = client.get(reverse("console:campaign_launch", args=[made.pk])).content.decode()
    assert "1 Android device has no credential for com.shop.app." in html
    assert "A developer or owner can add one" in html
    assert reverse("console:credential_new", args=["fcm"]) not in html
