"""What a marketer sees of a campaign that goes out: how far it is, what it waits for, what push services answer."""

from __future__ import annotations

import datetime as dt
from typing import Any

import django_rq
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns import tasks as campaign_tasks
from campaigns.models import Campaign
from console.error_words import ADVICE, BY_STATE, what_to_do
from console.progress import progress_of
from console.stops import ANY, WORDS
from console.tasks import BACKGROUND
from delivery import tally
from delivery.gateways.outcomes import NOT_ANSWERED
from delivery.gateways.outcomes_apns import APNS
from delivery.gateways.outcomes_fcm import FCM
from delivery.gateways.outcomes_webpush import WEB_PUSH
from delivery.models import Hold, Message, Tally, Throttle, Wave
from delivery.sweeper import sweep
from tests import make
from tests.delivery.sending import drain, plain, planned, reachable

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def site() -> None:
    make.no_quiet_hours()
    plain.refuse.clear()


@pytest.fixture
def console() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("olive"))
    return client


def going(people: Any, *, now: dt.datetime, **values: Any) -> tuple[Campaign, Wave]:
    """A campaign that runs, with a wave to these people."""
    campaign = make.campaign(state=Campaign.State.RUNNING, scheduled_at=now, launched_at=now)
    count = {"planned_count": len(people), "running_at": now}
    return campaign, planned(people, now=now, **(count | {"origin": campaign.origin} | values))


def a_second_passes() -> None:
    """For the buckets of limits a minute."""
    Throttle.objects.update(filled_at=F("filled_at") - dt.timedelta(seconds=1))


def live(console: Client, campaign: Campaign, **said: str) -> Any:
    answer = console.get(reverse("console:campaign_progress", args=[campaign.pk]), said)
    return answer.context["live"], " ".join(answer.content.decode().split()), answer


def test_it_says_how_far_it_is_and_what_became_of_everybody(console, push_service, real_now):
    make.credential()
    people = reachable(push_service, 8)
    plain.refuse.add(people[0].pk)
    push_service.control(scripts={"1-device": ["410"], "2-device": ["503:99"]})
    campaign, _ = going(people, now=real_now)
    drain()
    shown, html, answer = live(console, campaign)
    progress = shown.progress
    assert answer.status_code == 200
    assert (progress.planned, progress.open, progress.waiting, progress.sent) == (8, 1, 1, 5)
    assert (progress.held_back, progress.failed, progress.unknown, progress.held_out) == (1, 1, 0, 0)
    assert progress.percent == 87
    assert progress.sent_lately == 5
    assert "A value is missing, and the template has no fallback for it" in html
    assert [one.words for one in shown.waiting] == ["The push service is in trouble"]
    assert "It is going out" in html


def test_it_groups_errors_and_says_what_each_means_and_what_to_do(console, push_service, real_now):
    make.credential(name="Shop")
    push_service.control(scripts={f"{n}-device": [step] for n, step in enumerate(["413", "413", "410", "reset-after"])})
    campaign, _ = going(reachable(push_service, 6), now=real_now)
    drain()
    shown, html, _ = live(console, campaign)
    assert [(one.status, one.then, one.pushes) for one in shown.errors] == [
        ("413", "refused", 2),
        ("", "unknown", 1),
        ("410", "device gone", 1),
    ]
    assert "Shorten the text" in html
    assert "nobody gets it twice" in html
    assert [(one.name, one.gateway, one.counts) for one in shown.services] == [("Shop", "Web push", (2, 2, 1, 1, 0))]


def test_a_limit_a_minute_and_its_end_are_said_in_words(console, push_service, real_now):
    make.credential()
    campaign, _ = going(reachable(push_service, 30), now=real_now, per_minute=600)
    drain()
    shown, html, _ = live(console, campaign)
    assert "It goes to no more than 600 people a minute, as you set." in html
    assert shown.progress.waiting == 0
    assert shown.ends_at is not None
    assert shown.ends_at > dt.datetime.now(dt.UTC)


def test_who_waits_for_a_credentials_turn_is_told_when_it_goes_on(console, push_service, real_now):
    credential = make.credential(name="Shop", per_minute=300)
    campaign, _ = going(reachable(push_service, 40), now=real_now)
    drain()
    shown, html, _ = live(console, campaign)
    assert "“Shop” sends no more than 300 pushes a minute." in html
    [waiting] = shown.waiting
    assert waiting.reason == "throttled_by_us"
    assert waiting.people == shown.progress.open
    assert waiting.frees_at > real_now
    assert reverse("console:delivery_credential_change", args=[credential.pk]) in html


def test_a_push_service_that_asks_to_wait_or_refuses_us_is_told(console, push_service, real_now):
    credential = make.credential(name="Shop")
    push_service.control(default="429:600")
    campaign, _ = going(reachable(push_service, 4), now=real_now)
    drain()
    shown, html, _ = live(console, campaign)
    assert "asked us to wait until" in html
    assert shown.waiting[0].frees_at == Hold.objects.get().until
    Hold.objects.update(until=None, reason="unauthorized")
    Message.objects.filter(state="queued").update(reason="unauthorized")
    tally.recount([shown.progress.wave])
    _, html, _ = live(console, campaign)
    assert f"refuses the key of “{credential.name}”" in html
    assert "when it is free" in html


def test_the_quarter_hours_quiet_is_told_with_its_end(console, real_now):
    make.credential()
    campaign, wave = going([], now=real_now, planned_count=5_000)
    due = real_now + dt.timedelta(minutes=2)
    make.message(wave, make.profile(), state="queued", reason="fcm_quarter_hour", due_at=due)
    tally.recount([wave])
    shown, html, _ = live(console, campaign)
    assert "FCM asks for quiet around the quarter hour" in html
    [note] = [note for note in shown.notes if "quarter hour" in note.says]
    minute = int(note.says.split(":")[1][:2])
    assert minute % 15 == 2
    assert shown.waiting[0].frees_at == due


def test_the_page_stops_asking_when_it_is_over(console, push_service, real_now):
    make.credential()
    campaign, _ = going(reachable(push_service, 2), now=real_now)
    page = reverse("console:campaigns_campaign_change", args=[campaign.pk])
    assert 'hx-trigger="every 2s"' in console.get(page).content.decode()
    drain()
    sweep()
    campaign_tasks.close_finished()
    _, html, answer = live(console, campaign, state="running")
    assert answer.status_code == 286
    assert "It is finished" in html
    assert 'hx-swap-oob="true"' in html
    assert "every 2s" not in console.get(page).content.decode()


def test_its_buttons_change_only_when_its_state_does(console, real_now):
    make.credential()
    campaign, _ = going([], now=real_now)
    _, html, _ = live(console, campaign, state="running")
    assert "hx-swap-oob" not in html
    console.post(reverse("console:campaign_deed", args=[campaign.pk, "pause"]))
    _, html, _ = live(console, campaign, state="running")
    assert "hx-swap-oob" in html
    assert "Resume" in html


def test_looking_costs_as_few_queries_for_a_large_wave_as_for_a_small_one(console, push_service, real_now):
    make.credential()
    found = []
    for count, first in ((2, 0), (200, 100)):
        campaign, _ = going(reachable(push_service, count, first=first), now=real_now)
        drain()
        with CaptureQueriesContext(connection) as seen:
            live(console, campaign)
        found.append(len(seen))
    assert found[0] == found[1] <= 10


def test_home_tells_the_same_numbers(console, push_service, real_now):
    make.credential()
    going(reachable(push_service, 4), now=real_now, planned_count=8)
    drain()
    html = " ".join(console.get(reverse("console:home_going_out")).content.decode().split())
    assert "4 of 8 decided · 4 sent in the last minute" in html


def test_a_resume_after_its_time_says_whom_it_cannot_reach_any_more(console, push_service, real_now):
    make.credential()
    campaign, wave = going(reachable(push_service, 5), now=real_now)
    console.post(reverse("console:campaign_deed", args=[campaign.pk, "pause"]))
    where = reverse("console:campaign_deed", args=[campaign.pk, "resume"])
    assert "will not get it" not in console.get(where).content.decode()
    Wave.objects.filter(pk=wave.pk).update(tolerance_minutes=0)
    said = console.get(where).content.decode()
    assert "the 5 people who still wait will not get it" in said
    answer = console.post(where, follow=True)
    assert "the 5 people who still wait will not get it" in answer.content.decode()
    drain()
    assert Message.objects.filter(wave=wave, state="expired", reason="late").count() == 5


def test_a_resume_with_too_little_time_for_its_limit_says_how_many_are_too_late(console, real_now):
    make.credential()
    ends = real_now + dt.timedelta(minutes=10)
    campaign, _ = going([], now=real_now, planned_count=5_000, per_minute=100, expires_at=ends, tolerance_minutes=99)
    console.post(reverse("console:campaign_deed", args=[campaign.pk, "pause"]))
    html = console.get(reverse("console:campaign_deed", args=[campaign.pk, "resume"])).content.decode()
    assert "About 4,00" in html
    assert "no more than 100 a minute" in html


def test_a_paused_campaign_whose_time_runs_out_is_over(console, push_service, real_now):
    make.credential()
    campaign, wave = going(reachable(push_service, 3), now=real_now)
    console.post(reverse("console:campaign_deed", args=[campaign.pk, "pause"]))
    Wave.objects.filter(pk=wave.pk).update(expires_at=real_now - dt.timedelta(seconds=1))
    sweep()
    campaign_tasks.close_finished()
    campaign.refresh_from_db()
    assert campaign.state == "finished"
    shown, html, _ = live(console, campaign)
    assert shown.progress.held_back == 3
    assert "Its time was over" in html


def test_the_bar_shows_what_there_is_and_never_more_than_all() -> None:
    wave = make.wave(planned_count=1_000_000)
    for state, reason, n in [
        ("sent", "", 999_000),
        ("unknown", "worker_lost", 1),
        ("rejected", "bad_request", 3),
        ("suppressed", "opted_out", 500),
        ("queued", "quiet_hours", 400),
    ]:
        Tally.objects.create(wave=wave, at=make.NOW, kind="message", state=state, reason=reason, n=n)
    (progress,) = progress_of([wave])
    bar = progress.bar()
    assert [kind for kind, _, _ in bar][:4] == ["sent", "unknown", "held_back", "failed"]
    assert all(width > 0 for _, _, width in bar)
    assert progress.percent == 99


@pytest.mark.parametrize(
    ("gateway", "reason"),
    sorted(
        {
            *(("webpush", rule.reason) for rule in WEB_PUSH),
            *(("fcm", rule.reason) for rule in FCM),
            *(("apns", rule.reason) for rule in APNS),
            *(("fcm", outcome.reason) for outcome in NOT_ANSWERED.values()),
        }
        - {("webpush", ""), ("fcm", ""), ("apns", ""), ("fcm", "not_begun")}
    ),
)
def test_every_answer_of_a_push_service_has_something_to_do(gateway: str, reason: str) -> None:
    assert (gateway, reason) in WORDS or reason in ANY or reason in ADVICE
    assert what_to_do(reason, "rejected", gateway).endswith(".")


def test_an_answer_that_nobody_knows_has_something_to_do_too() -> None:
    assert {what_to_do("some_new_reason", state, "fcm") for state in BY_STATE} == set(BY_STATE.values())


def test_a_credentials_limit_is_set_on_its_page_and_felt_by_who_waits(console, push_service, real_now, redis_server):
    credential = make.credential(per_minute=60, subject="mailto:push@shop.example.net")
    _, wave = going(reachable(push_service, 10), now=real_now)
    drain()
    page = reverse("console:delivery_credential_change", args=[credential.pk])
    assert "Pushes a minute, at most" in console.get(page).content.decode()
    console.post(page, {"name": credential.name, "subject": credential.subject, "per_minute": "60000"})
    credential.refresh_from_db()
    assert credential.per_minute == 60_000
    [job] = django_rq.get_queue(BACKGROUND).jobs
    job.perform()
    a_second_passes()
    drain()
    assert Message.objects.filter(wave=wave, state="sent").count() == 10
