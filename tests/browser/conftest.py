"""A headless Chromium for the tests that need a real browser; skipped by name where none is installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.firefox import Firefox, installed
from tests.browser.sites import Door, Site
from tests.gateways.autopush import Autopush

# Playwright's loop runs in this thread; the tests' own queries are not asynchronous all the same.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, headless."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed")
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def signed_in(chromium: Browser, live_server: Any) -> Iterator[Callable[..., BrowserContext]]:
    """Makes browser contexts in which an owner is signed in to the console at `live_server.url`."""
    opened: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        client = Client()
        client.force_login(User.objects.filter(username="olive").first() or User.objects.create_superuser("olive"))
        context = chromium.new_context(base_url=live_server.url, **options)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[str], Path]:
    """Where a screenshot of that name goes: HEED_SCREENSHOTS, or the test's own folder."""
    folder = Path(os.environ.get("HEED_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return lambda name: folder / f"{name}.png"


@pytest.fixture
def door(live_server: Any) -> Iterator[Door]:
    """A recording door in front of a real Heed: what sites are told is Heed's address."""
    door = Door(behind=live_server.url.removeprefix("http://"))
    server = door.start()
    yield door
    server.shutdown()
    server.server_close()


@pytest.fixture
def site(door: Door, settings: Any) -> Iterator[Site]:
    """A foreign site whose pages embed Heed with the write key "browser-key"."""
    site = Site(host=door.origin, tag={"key": "browser-key"})
    server = site.start()
    settings.HEED_CORS_ORIGINS = (site.origin,)
    settings.HEED_BASE_URL = door.origin
    yield site
    server.shutdown()
    server.server_close()


@pytest.fixture
def autopush(settings: Any) -> Iterator[Autopush]:
    """A push service for Firefox, whose origin the site is told of."""
    service = Autopush()
    settings.HEED_PUSH_ORIGINS = (service.origin,)
    yield service
    service.stop()


@pytest.fixture
def firefox(tmp_path: Path, autopush: Autopush) -> Iterator[Firefox]:
    """A real Firefox that subscribes at `autopush`; skipped by name where none is installed."""
    path = installed()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("Firefox is not installed")
        pytest.skip("Firefox is not installed")
    prefs = {
        "dom.push.serverURL": autopush.socket,
        "dom.push.testing.allowInsecureServerURL": True,
        "permissions.default.desktop-notification": 1,
        "alerts.useSystemBackend": False,  # its own alert windows: those can be clicked here
    }
    browser = Firefox(path, tmp_path, prefs)
    # Driven browsers are cut off from push services at their start.
    browser.chrome("Services.prefs.setBoolPref('dom.push.connection.enabled', true)")
    yield browser
    browser.stop()
