"""A real shop wins back who stopped buying, with a control, and its report is honest about how little that can show."""

import os
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from audiences.models import Event, Profile
from campaigns import launch, planner
from campaigns.models import Campaign
from campaigns.order_import import import_orders
from campaigns.publish import publish
from campaigns.results.campaign import result_of
from console.reports.words import verdict
from delivery.models import Message
from tests import make
from tests.delivery.sending import drain, subscribed

ORDERS = os.environ.get("HEED_ORDERS_FILE", "")
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow,
    pytest.mark.skipif(not ORDERS, reason="HEED_ORDERS_FILE names no order history"),
]

LAPSED = {
    "all": [
        {"event": "Order Completed", "window": {"before": "2011-09-09"}},
        {"event": "Order Completed", "count": {"op": "=", "value": 0}, "window": {"after": "2011-09-09"}},
    ]
}


def test_a_winback_campaign_on_a_real_shops_history(push_service, real_now):
    push_service.control(check=False)
    make.credential()
    make.no_quiet_hours()
    done = import_orders(
        Path(ORDERS), names={}, zone=ZoneInfo("Europe/London"), currency="GBP", now=real_now, tell=lambda line: None
    )
    assert (done.lines, done.customers, done.orders + done.refunds) == (541_909, 4_372, 22_190)
    subscribed(push_service, Profile.objects.order_by("pk"), now=real_now)
    template = make.template(
        title="It has been a while",
        body="{{ last['Order Completed'].product_name | default: 'Something new' }} is waiting for you.",
        url="https://shop.example/",
    )
    publish(template, by=None, now=real_now)
    campaign = make.campaign(template=template, control_percent=10)
    campaign.included.add(make.segment(LAPSED, "Lapsed"))
    launch.launch(campaign, by=None, now=real_now)
    wave = planner.open_wave(Campaign.objects.get(pk=campaign.pk), now=real_now)
    while planner.plan(wave, now=real_now):
        pass
    lapsed = Message.objects.filter(wave=wave).count()
    orders = Event.objects.filter(name="Order Completed")
    recent, before = (
        set(orders.filter(**{f"occurred_at__{side}": "2011-09-09T00:00Z"}).values_list("profile_id", flat=True))
        for side in ("gte", "lte")
    )
    assert lapsed == len(before - recent)
    assert drain() == lapsed
    held = Message.objects.filter(wave=wave, state="held_out").count()
    assert Message.objects.filter(wave=wave, state="sent").count() == lapsed - held == len(push_service.requests)
    assert len({request["token"] for request in push_service.requests}) == len(push_service.requests)
    assert 0 < held <= 437
    headline, explanation = verdict(result_of(Campaign.objects.get(pk=campaign.pk), now=real_now))
    assert headline == "Too few to say"
    assert "more profiles held out" in explanation
