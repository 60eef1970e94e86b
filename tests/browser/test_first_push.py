"""The first push, as the README tells it: a real Firefox subscribes in the demo's shop, a campaign is launched by
clicking in the console, Firefox shows it, and its click and its close come back into the profile and the report."""

from __future__ import annotations

from typing import Any

import pytest

from audiences.models import Device, Event
from campaigns.models import Campaign
from campaigns.tasks import open_due
from console.demo import facts_file
from delivery.models import Message, Push, SendingRules, Wave
from tests import make
from tests.browser.sites import until
from tests.delivery.sending import drain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(live_server: Any, settings: Any, tmp_path: Any, redis_server: Any) -> str:
    """The demo's shop, and what a marketer needs to send: one of everything."""
    settings.HEED_BASE_URL, settings.HEED_DATA = live_server.url, tmp_path
    SendingRules.objects.create(pk=1, site_name="Larkspur", quiet_from=None, quiet_until=None)
    make.source("browser", key="browser-key")
    make.credential()
    make.segment({"everyone": True}, "Everyone")
    make.topic(name="Cart reminders")
    make.version(name="Mug", title="Your {{ last['Product Viewed'].name | default: 'pick' }} waits", url="/shop/L101")
    facts_file.write({"browser_key": "browser-key"})
    return f"{live_server.url}/shop/"


def launched(page: Any, name: str, *, by: Any) -> Push:
    """A campaign that is made and launched by clicking alone, and sent."""
    page.goto("/console/")
    page.get_by_role("link", name="Campaigns").click()
    page.get_by_role("link", name="New campaign").first.click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("group", name="Send to anyone in").get_by_label("Everyone").check()
    page.get_by_label("Template").select_option("Mug")
    page.get_by_role("button", name="Save and launch").click()
    # What is missing is said beside the fields, and nothing that was filled in is lost.
    page.get_by_text("Not saved and not launched yet").wait_for()
    assert page.get_by_label("Name").input_value() == name
    page.get_by_label("Topic").select_option("Cart reminders")
    page.get_by_label("What you hope they will do").fill("Order Completed")
    page.get_by_label("Left alone, in percent").fill("0")
    page.get_by_label("Why nobody is left alone").fill("My own first push")
    page.get_by_role("button", name="Save and launch").click()
    page.screenshot(path=by("first-push-launch"))
    page.get_by_role("button", name="Launch now").click()
    page.get_by_text("Launched. This page follows it.").wait_for()
    open_due()
    assert drain() == 1
    campaign = Campaign.objects.get(name=name)
    message = Message.objects.get(wave=Wave.objects.get(origin=campaign.origin))
    assert (message.state, message.reason) == ("sent", "")
    return Push.objects.get(message=message)


def test_the_first_push_from_the_shops_button_to_the_report(firefox, autopush, shop, signed_in, picture):
    firefox.go(f"{shop}L303")
    until(lambda: firefox.page("return Boolean(window.heed)"))
    firefox.click("document.querySelector('#notify')")
    until(lambda: firefox.page("return Boolean(document.querySelector('heed-prompt'))"))
    firefox.click("document.querySelector('heed-prompt').shadowRoot.querySelector('.yes')")
    until(Device.objects.exists, seconds=20)
    person = Device.objects.get().profile
    until(lambda: Event.objects.filter(profile=person, name="Product Viewed").exists())
    firefox.go("about:blank")
    page = signed_in(viewport={"width": 1280, "height": 900}).new_page()

    first = launched(page, "A first push", by=picture)
    until(lambda: firefox.alerts() == 1)
    assert first.content["title"] == "Your Camp sandals waits"
    firefox.click_alert()
    viewed = Event.objects.filter(profile=person, name="Product Viewed", properties__product_id="L101")
    until(viewed.exists, seconds=20)
    until(lambda: Push.objects.filter(pk=first.pk, shown_at__isnull=False, clicked_at__isnull=False).exists())

    second = launched(page, "A second one", by=picture)
    until(lambda: firefox.alerts() == 1)
    firefox.close_alert()
    until(lambda: Push.objects.filter(pk=second.pk, shown_at__isnull=False, dismissed_at__isnull=False).exists())
    assert Push.objects.get(pk=first.pk).dismissed_at is None
    assert Push.objects.get(pk=second.pk).clicked_at is None
    assert autopush.acks[0]["code"] == 100

    page.get_by_role("link", name="Reports").click()
    page.get_by_role("link", name="A first push").click()
    page.get_by_role("heading", name="Nobody was held out").wait_for()
    page.screenshot(path=picture("first-push-report"), full_page=True)
    page.get_by_role("link", name="Profiles", exact=False).first.click()
    page.get_by_role("link", name=f"Anonymous {person.pk}").click()
    page.get_by_text("dismissed").wait_for()
    page.get_by_text("A first push").click()
    page.get_by_text("clicked").wait_for()
    page.screenshot(path=picture("first-push-profile"), full_page=True)
