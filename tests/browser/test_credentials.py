"""A push credential's life, by clicks alone: made, revoked at its gateway, told on every page, given another key, resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from console import stops
from delivery import waiting
from delivery.models import Credential, Hold, Message, Push, Wave
from tests import make
from tests.delivery.sending import drain, phones, planned, states

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
NOBODY = "0" * 64


@pytest.fixture
def page(signed_in: Callable[..., BrowserContext], real_now: Any) -> Page:
    make.no_quiet_hours()
    return signed_in(viewport={"width": 1280, "height": 900}).new_page()


def begin(page: Page, kind: str) -> None:
    """From the menu to the form of one gateway."""
    page.goto("/console/")
    page.get_by_role("link", name="Push credentials").click()
    page.get_by_role("link", name="New push credential").first.click()
    page.get_by_role("link", name=kind).click()


def banner(page: Page) -> Any:
    """What has stopped, at the head of Home, where anybody looks first."""
    stops.forget()
    page.goto("/console/")
    return page.locator(".hd-stop")


def refused(gateway: str, *, now: Any, **values: Any) -> list[Wave]:
    """Two waves that the gateway's refusal holds back: one whose pushes it refused, one that was not even tried."""
    waves = []
    for first in (1, 9):
        waves.append(planned(phones(8, gateway, first=first, **values), now=now))
        drain()
        assert states(waves[-1]) == {"queued(unauthorized)": 8}
    assert Message.objects.filter(held_by=Hold.objects.get().pk).count() == 8
    return waves


def resumed(page: Page, waves: list[Wave], now: Any) -> None:
    """The page says that it goes on, nothing is held any more, and what waited goes out when the clock strikes."""
    expect(page.locator("body")).to_contain_text("Sending goes on.")
    expect(page.locator(".hd-stop")).to_have_count(0)
    expect(page.locator("body")).to_contain_text("Nothing is held: it sends")
    assert not Hold.objects.exists()
    assert waiting.wake(now=now) == 8
    # Those that were refused are tried again within half a minute.
    Message.objects.filter(state="queued").update(due_at=now)
    Push.objects.filter(state="retry").update(due_at=now)
    drain()
    assert [states(wave) for wave in waves] == [{"sent": 8}, {"sent": 8}]


def test_a_service_account_that_google_revoked_is_told_mended_and_resumed(
    page: Page, fcm_service: Any, real_now: Any, picture: Callable[[str], Path]
) -> None:
    trial = {"scripts": {"trial": ["400:INVALID_ARGUMENT"]}}
    fcm_service.trust(make.service_account(), **trial)
    begin(page, "Android (FCM)")
    page.get_by_label("Name", exact=True).fill("Shop app")
    page.get_by_label("… or paste what is in it").fill(make.service_account())
    page.get_by_role("button", name="Check and save").click()
    expect(page.locator("body")).to_contain_text("“Shop app” is ready. The gateway accepts it.")
    assert Credential.objects.get().name == "Shop app"

    fcm_service.control(accounts={}, granted=[], scripts={})
    waves = refused("fcm", now=real_now)
    told = banner(page)
    expect(told).to_contain_text("Google refuses the service account of “Shop app”.")
    expect(told).to_contain_text("give it another key")
    page.screenshot(path=picture("stop-banner"))
    told.get_by_role("button", name="Resume").click()
    expect(page.locator("body")).to_contain_text("Nothing goes on yet. The gateway does not accept it.")
    expect(page.get_by_role("button", name="Resume all the same")).to_be_visible()
    page.screenshot(path=picture("stop-still-refused"))
    assert Hold.objects.exists()

    banner(page).get_by_role("link", name="Look at it").click()
    expect(page.locator("#main, body").first).to_contain_text("until someone resumes it")
    page.screenshot(path=picture("stop-look"))
    banner(page).get_by_role("link", name="Replace the key").click()
    another = make.another_service_account()
    page.get_by_label("… or paste what is in it").fill(another)
    page.get_by_role("button", name="Replace the key").click()
    expect(page.locator("body")).to_contain_text("Not saved: see below what to change.")
    assert another not in page.content()

    fcm_service.trust(another, granted=[], **trial)
    page.get_by_label("… or paste what is in it").fill(another)
    page.get_by_role("button", name="Replace the key").click()
    expect(page.locator("body")).to_contain_text("The key is replaced. The gateway accepts it.")
    expect(page.locator("body")).to_contain_text("What waits goes out once you resume")
    page.screenshot(path=picture("stop-new-key"))
    page.locator("form.hd-panel").get_by_role("button", name="Resume").click()
    resumed(page, waves, real_now)
    page.screenshot(path=picture("stop-resumed"))


def test_a_signing_key_that_was_revoked_at_apple_is_told_mended_and_resumed(
    page: Page, apns_service: Any, real_now: Any, picture: Callable[[str], Path], tmp_path: Path
) -> None:
    apns_service.control(scripts={NOBODY: ["400:BadDeviceToken"]})
    begin(page, "iOS (APNs)")
    page.get_by_label("Name", exact=True).fill("Shop on iPhone")
    file = tmp_path / f"AuthKey_{make.KEY_ID}.p8"
    file.write_text(make.p8())
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_label("Team id").fill(make.TEAM)
    page.get_by_label("Bundle id").fill(make.APP)
    page.get_by_role("button", name="Check and save").click()
    expect(page.locator("body")).to_contain_text("“Shop on iPhone” is ready. The gateway accepts it.")

    apns_service.control(keys={})
    waves = refused("apns", now=real_now, app=make.APP)
    told = banner(page)
    expect(told).to_contain_text("Apple refuses the key of “Shop on iPhone”.")
    told.get_by_role("link", name="Replace the key").click()
    another = tmp_path / "AuthKey_KEY7654321.p8"
    another.write_text(make.another_p8())
    apns_service.trust(make.another_p8(), team=make.TEAM, key_id="KEY7654321", scripts={NOBODY: ["400:BadDeviceToken"]})
    page.locator("input[type=file]").set_input_files(another)
    page.screenshot(path=picture("stop-apple-key"))
    page.get_by_role("button", name="Replace the key").click()
    expect(page.locator("body")).to_contain_text("The key is replaced. The gateway accepts it.")
    banner(page).get_by_role("button", name="Resume").click()
    resumed(page, waves, real_now)
    expect(page.locator("body")).to_contain_text(f"team {make.TEAM}, key KEY7654321")
