"""A campaign's page follows it by itself, and stops when it is over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import BrowserContext, expect

from campaigns.models import Campaign
from delivery import tally
from delivery.models import Credential, Hold, Message, Tally, Wave
from tests import make
from tests.browser.test_console import Watched

pytestmark = pytest.mark.django_db(transaction=True)


def count(wave: Wave, kind: str, state: str, n: int, reason: str = "", status: str = "", **values: Any) -> None:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=values.pop("ago", 3))
    Tally.objects.create(wave=wave, at=at, kind=kind, state=state, reason=reason, status=status, n=n, **values)


def large() -> tuple[Campaign, Wave]:
    """A run of a million, in the middle, of which much can be told."""
    now = dt.datetime.now(dt.UTC)
    campaign = make.campaign(name="Summer sale, last days", state="running", scheduled_at=now, launched_at=now)
    campaign.included.add(make.segment({"everyone": True}, "Everyone"))
    wave = make.wave(
        origin=campaign.origin,
        wave_on=now.date(),
        due_at=now,
        created_at=now,
        planned_count=1_000_000,
        running_at=now - dt.timedelta(minutes=6),
        expires_at=now + dt.timedelta(days=1),
        tolerance_minutes=1440,
    )
    web = make.credential(name="Shop, web", per_minute=120_000)
    android = Credential.objects.create(gateway="fcm", name="Shop, Android", public_key="shop", secret=b"")
    ios = Credential.objects.create(gateway="apns", name="Shop, iPhone", public_key="team.key", secret=b"")
    Hold.objects.create(
        credential=ios,
        origin="https://api.push.apple.com",
        reason="throttled",
        until=now + dt.timedelta(minutes=4),
        since=now,
    )
    for state, reason, n in [
        ("sent", "", 343_900),
        ("held_out", "control", 52_480),
        ("suppressed", "no_device", 31_006),
        ("suppressed", "opted_out", 8_410),
        ("suppressed", "missing_value", 212),
        ("expired", "expires_in_quiet_hours", 96),
        ("rejected", "payload_too_large", 18),
        ("dropped", "gone", 9_204),
        ("unknown", "no_answer", 41),
        ("queued", "quiet_hours", 64_300),
        ("queued", "throttled_by_us", 2_950),
        ("queued", "fcm_quarter_hour", 1_210),
        ("queued", "throttled", 480),
    ]:
        count(wave, "message", state, n, reason)
    count(wave, "message", "sent", 68_400, ago=0)
    for credential, state, reason, status, n in [
        (web, "sent", "", "201", 310_020),
        (web, "dropped", "gone", "410", 8_002),
        (web, "unknown", "no_answer", "", 41),
        (web, "rejected", "payload_too_large", "413", 18),
        (web, "retry", "gateway_trouble", "503", 122),
        (android, "sent", "", "200", 88_200),
        (android, "dropped", "gone", "404 UNREGISTERED", 1_402),
        (ios, "sent", "", "200", 14_080),
        (ios, "retry", "throttled", "429 TooManyRequests", 480),
    ]:
        count(wave, "push", state, n, reason, status, credential=credential)
    for reason, minutes in [("quiet_hours", 540), ("throttled_by_us", 1), ("fcm_quarter_hour", 3), ("throttled", 70)]:
        due_at = now + dt.timedelta(minutes=minutes)
        make.message(wave, make.profile(), state="queued", reason=reason, due_at=due_at)
    return campaign, wave


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 800])
def test_it_can_be_looked_at(
    signed_in: Callable[..., BrowserContext],
    live_server: Any,
    picture: Callable[[str], Path],
    scheme: str,
    width: int,
) -> None:
    watched = Watched(signed_in(viewport={"width": width, "height": 900}, color_scheme=scheme), live_server.url)
    campaign, wave = large()
    pages = {
        "live": reverse("console:campaigns_campaign_change", args=[campaign.pk]),
        "live-home": reverse("console:index"),
        "live-new": reverse("console:campaigns_campaign_add"),
    }
    for name, where in pages.items():
        watched.page.goto(where)
        watched.page.wait_for_load_state("networkidle")
        watched.page.screenshot(path=picture(f"{name}-{scheme}-{width}"), full_page=True)
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    Campaign.objects.filter(pk=campaign.pk).update(state="paused")
    Wave.objects.filter(pk=wave.pk).update(state="paused", tolerance_minutes=0)
    watched.page.goto(reverse("console:campaign_deed", args=[campaign.pk, "resume"]))
    watched.page.screenshot(path=picture(f"live-resume-{scheme}-{width}"))
    assert not watched.troubles


def test_it_follows_by_itself_and_stops_when_it_is_over(
    signed_in: Callable[..., BrowserContext], live_server: Any
) -> None:
    watched = Watched(signed_in(), live_server.url)
    page = watched.page
    campaign, wave = large()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/progress/" in request.url else None)
    page.goto(reverse("console:campaigns_campaign_change", args=[campaign.pk]))
    expect(page.get_by_role("cell", name="412,300")).to_be_visible()
    count(wave, "message", "sent", 100)
    expect(page.get_by_role("cell", name="412,400")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("heading", name="It is paused")).to_be_visible()
    page.get_by_role("link", name="Resume").click()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("heading", name="It is going out")).to_be_visible()

    Message.objects.filter(wave=wave).update(state="suppressed", reason="stopped")
    Wave.objects.filter(pk=wave.pk).update(state="finished")
    Campaign.objects.filter(pk=campaign.pk).update(state="finished")
    tally.recount([wave])
    expect(page.get_by_role("heading", name="It is finished")).to_be_visible()
    for gone in ("Pause", "Resume", "Stop for good"):
        expect(page.locator("#deeds").get_by_text(gone)).to_have_count(0)
    page.wait_for_timeout(500)
    stood = len(asked)
    page.wait_for_timeout(4500)
    assert len(asked) == stood
    assert not watched.troubles


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_minutes_near_the_quarter_hours_are_offered_where_exact_time_matters(
    signed_in: Callable[..., BrowserContext], live_server: Any, picture: Callable[[str], Path], scheme: str
) -> None:
    watched = Watched(signed_in(color_scheme=scheme), live_server.url)
    page = watched.page
    page.goto(reverse("console:campaigns_campaign_add"))
    page.get_by_label("At a time").check()
    page.screenshot(path=picture(f"live-when-{scheme}"), full_page=True)
    minute = page.get_by_label("Minute", exact=True)
    quarter = minute.locator("option[value='00']")
    expect(minute).to_have_value("03")
    expect(quarter).to_be_disabled()
    page.get_by_label("The exact minute matters").check()
    expect(quarter).to_be_enabled()
    minute.select_option("00")
    page.get_by_label("Day").fill("2031-12-24")
    expect(minute).to_have_value("00")
    assert not watched.troubles
