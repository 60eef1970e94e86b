"""The demo holds a truth, and whoever recomputes the report from its export finds it."""

import csv
import io

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from campaigns.models import Campaign
from campaigns.results.campaign import result_of
from campaigns.results.lift import Counts, newcombe
from console.demo import facts_file, load

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def demo():
    load.load(now=timezone.now(), tell=lambda line: None)
    yield facts_file.read()
    facts_file.path().unlink()


def test_the_export_of_the_finished_campaign_contains_the_documented_effect(demo, client):
    campaign = Campaign.objects.get(name="Autumn offer")
    client.force_login(User.objects.get(username="demo"))
    body = b"".join(client.get(f"/console/reports/campaigns/{campaign.pk}/profiles.csv").streaming_content)
    lines = [line for line in csv.DictReader(io.StringIO(body.decode())) if line["decided_at"]]
    told, held = (
        Counts(len(arm), sum(1 for line in arm if line["converted_at"]))
        for arm in ([line for line in lines if line["arm"] == name] for name in ("told", "control"))
    )
    low, high = newcombe(told, held)
    assert told.n >= 10_000
    assert held.n >= 1_000
    assert low <= load.EFFECT <= high
    result = result_of(campaign, now=timezone.now())
    assert (result.caused.told, result.caused.control) == (told, held)
    assert result.is_mature

    assert client.get("/console/").status_code == 200
    assert b"imulated" in client.get("/console/").content
    shop = client.get("/shop/")
    assert shop.status_code == 200
    assert demo["browser_key"].encode() in shop.content
    assert client.get("/shop/L101").status_code == 200
    assert client.get("/shop/nothing").status_code == 404
