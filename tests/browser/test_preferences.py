"""The preference page in real browsers, without JavaScript: what is chosen there is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from audiences import preference_links
from audiences.models import Choice, Profile
from tests import make
from tests.browser.sites import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def person() -> Profile:
    make.topic("offers", name="Offers")
    make.topic("arrivals", name="New arrivals")
    return make.profile("ada")


@pytest.fixture
def page(chromium: Browser, live_server: Any) -> Iterator[Page]:
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    yield context.new_page()
    context.close()


def link(person: Profile) -> str:
    return "/p/" + preference_links.token(person.pk, now=timezone.now())


def said(person: Profile) -> dict[str | None, str]:
    return {one.topic and one.topic.key: one.decision for one in Choice.objects.filter(profile=person)}


def test_a_person_chooses_topics_leaves_and_comes_back(page, person):
    page.goto(link(person))
    page.get_by_label("Offers").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    assert said(person) == {"offers": "out"}
    page.get_by_role("button", name="Switch all notifications off").click()
    expect(page.get_by_text("You get no notifications")).to_be_visible()
    assert said(person) == {"offers": "out", None: "out"}
    page.get_by_role("button", name="Switch notifications on again").click()
    expect(page.get_by_label("Offers")).not_to_be_checked()
    assert said(person) == {"offers": "out", None: "in"}


def test_who_saves_too_often_is_told_when_to_try_again_and_can_leave_at_once(page, person, redis_server):
    page.goto(link(person))
    for _ in range(60):
        page.get_by_role("button", name="Save").click()
        if page.get_by_role("heading").inner_text() != "Your notifications":
            break
    expect(page.get_by_role("alert")).to_contain_text("Wait")
    page.get_by_role("button", name="Switch all notifications off").click()
    expect(page.get_by_text("You get no notifications")).to_be_visible()
    assert said(person) == {None: "out"}


def test_a_form_of_another_site_changes_nothing(page, person):
    page.goto(link(person))
    address = page.url
    page.goto(f"data:text/html,<form method=post action={address}><button name=deed value=leave>Win</button></form>")
    page.get_by_role("button").click()
    page.wait_for_url(address)
    assert said(person) == {}


def test_firefox_keeps_what_is_chosen_too(firefox, live_server, person):
    firefox.go(live_server.url + link(person))
    firefox.click("document.querySelector('button[value=leave]')")
    until(lambda: said(person) == {None: "out"})
