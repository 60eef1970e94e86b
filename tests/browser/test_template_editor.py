"""The message editor in a real browser: a field is inserted, the preview follows, publishing says what is wrong."""

import pytest
from playwright.sync_api import expect

from audiences.models import AttributeName
from campaigns.models import MessageTemplate
from tests import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def test_the_preview_follows_while_one_writes(signed_in, real_now):
    AttributeName.objects.create(name="first_name", kinds={"string": 1}, last_seen_at=real_now)
    make.profile("p-1", attributes={"first_name": "Ada"})
    page = signed_in().new_page()
    page.goto("/console/templates/new/")
    page.fill("#name", "Welcome")
    page.fill("#title", "Hi ")
    page.locator("#title").press("End")
    page.select_option("#insert", label="first_name")
    page.keyboard.type("there")
    expect(page.locator("#title")).to_have_value("Hi {{ profile.first_name | default: 'there' }}")
    for where in (".te-chrome", ".te-android", ".te-ios"):
        expect(page.locator(f"{where} .te-title")).to_have_text("Hi Ada")
    page.fill("#body", "{{ profile.city }}")
    expect(page.locator("#problems-body")).to_contain_text("default")
    expect(page.locator("#preview")).to_contain_text("Would not be sent")
    page.fill("#body", "We have news.")
    expect(page.locator(".te-chrome .te-body")).to_have_text("We have news.")
    page.get_by_text("Apps: what only Android and iOS know").click()
    page.get_by_label("Subtitle").fill("Just in")
    expect(page.locator(".te-subtitle")).to_have_text("Just in")
    page.locator("#ios-badge").fill("many")
    expect(page.locator("#problems-ios-badge")).to_contain_text("whole number")
    page.locator("#ios-badge").fill("3")
    expect(page.locator("#problems-ios-badge")).to_be_empty()
    expect(page.locator(".te-app b")).to_have_text("3")
    page.get_by_label("Values for your app").fill("screen = news")
    expect(page.locator("#preview")).to_contain_text("Your app gets screen = news")
    page.get_by_role("button", name="Save and publish").click()
    page.wait_for_url("**/edit/")
    assert MessageTemplate.objects.get().latest().number == 1
    assert MessageTemplate.objects.get().latest().options == {"ios": {"subtitle": "Just in", "badge": 3}}
