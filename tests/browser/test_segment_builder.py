"""A marketer builds "added to the cart and did not buy within two days" by hand, in a real browser."""

import datetime as dt

import pytest
from playwright.sync_api import expect

from audiences.models import EventName, Segment
from audiences.segments.language import parse
from console.builder.segments import STARTS
from tests import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def test_a_sequence_is_built_counted_and_saved(signed_in, real_now):
    for name in ("Product Added", "Order Completed"):
        EventName.objects.create(name=name, properties={}, first_seen_at=real_now, last_seen_at=real_now)
    left, bought = make.profile("left"), make.profile("bought")
    for person in (left, bought):
        make.event(person, "Product Added", at=real_now - dt.timedelta(days=5))
    make.event(bought, "Order Completed", at=real_now - dt.timedelta(days=4))

    page = signed_in().new_page()
    page.goto("/console/segments/new/")
    page.fill("#name", "Left in the cart")
    page.get_by_role("button", name="Did A, then (not) B").click()
    page.get_by_label("First event").fill("Product Added")
    page.get_by_label("First event").press("Tab")
    page.get_by_label("Second event").fill("Order Completed")
    page.get_by_label("Second event").press("Tab")
    expect(page.locator("#reach .hd-number").first).to_have_text("1")
    expect(page.locator("#reach")).to_contain_text("left")
    page.fill("[name=who]", "bought")
    page.get_by_role("button", name="Explain").click()
    expect(page.locator("#why")).to_contain_text("not in")
    page.get_by_role("button", name="Save segment").click()
    page.wait_for_url("**/console/segments/")
    assert parse(Segment.objects.get().rule) == parse({"all": [STARTS["cart"][1]]})


def test_what_is_typed_while_an_answer_is_on_its_way_stays(signed_in, real_now):
    """On a slow line: the answer to an older form wipes nothing out, and a button pressed meanwhile still counts."""
    EventName.objects.create(name="Product Added", properties={}, first_seen_at=real_now, last_seen_at=real_now)
    page = signed_in().new_page()
    page.goto("/console/segments/new/")
    page.get_by_role("button", name="Something done").click()
    expect(page.get_by_label("Event", exact=True)).to_be_visible()

    def slowly(route):
        page.wait_for_timeout(600)
        route.continue_()

    page.route("**/build/tree/", slowly)
    page.get_by_label("Event", exact=True).fill("Product Added")
    with page.expect_request("**/build/tree/"):
        page.get_by_label("Event", exact=True).press("Tab")
    page.get_by_label("Times", exact=True).fill("7")
    page.get_by_role("button", name="Attribute").click()
    page.get_by_label("How long").fill("45")
    expect(page.get_by_label("Attribute", exact=True)).to_be_visible(timeout=15_000)
    page.unroute_all(behavior="wait")
    expect(page.get_by_label("Event", exact=True)).to_have_value("Product Added")
    expect(page.get_by_label("Times", exact=True)).to_have_value("7")
    expect(page.get_by_label("How long")).to_have_value("45")
    assert page.locator(".sb-attribute").count() == 1
