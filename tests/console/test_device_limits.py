"""S36 and S37: what anyone who reads a page's source may do with its public key, and how often."""

import json

import pytest
from django.test import Client

from audiences import sources
from audiences.models import Device
from console.tracking import rates
from tests import make
from tests.console.test_tracking_devices import arrival, post

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(redis_server):
    return make.source("browser", key="browser-key")


@pytest.fixture
def phone(redis_server):
    return make.source("mobile", key="mobile-key")


def fakes(count, *, first=0, key="mobile-key"):
    batch = [
        {
            "type": "track",
            "event": "Application Installed",
            "anonymousId": f"fake-{n}",
            "context": {"device": {"token": f"fake:{n}", "type": "android"}},
        }
        for n in range(first, first + count)
    ]
    return {"writeKey": key, "batch": batch}


def test_ten_thousand_fakes_from_one_address_leave_no_more_devices_than_its_limit(phone):
    for first in range(0, 10_000, 2_500):
        assert post("/v1/batch", fakes(2_500, first=first)).status_code == 200
    rate, most = rates.RATES["devices"]
    assert most <= Device.objects.count() <= most + rate * 60


def test_from_many_addresses_they_leave_no_more_than_the_limit_of_the_source_and_its_origin(browser, settings):
    settings.HEED_PROXIES = 1
    settings.HEED_DEVICE_RATE = 1
    settings.HEED_CORS_ORIGINS = ("https://shop.example", "https://blog.example")
    statuses = []
    for number in range(100):
        here = {"HTTP_X_FORWARDED_FOR": f"203.0.113.{number}", "HTTP_ORIGIN": "https://shop.example"}
        statuses.append(post("/v1/devices", arrival(number), **here).status_code)
    assert statuses[0] == 200
    assert statuses[-1] == 429
    assert 40 <= Device.objects.count() < 70
    there = {"HTTP_X_FORWARDED_FOR": "203.0.113.200", "HTTP_ORIGIN": "https://blog.example"}
    assert post("/v1/devices", arrival(1000), **there).status_code == 200


def test_the_companys_own_servers_register_without_a_limit(redis_server):
    make.source("server", key="server-key")
    assert post("/v1/batch", fakes(500, key="server-key")).status_code == 200
    assert Device.objects.count() == 500


def test_pages_of_foreign_sites_leave_no_tokens_either(phone):
    assert post("/v1/batch", fakes(3), HTTP_ORIGIN="https://evil.example").status_code == 200
    assert not Device.objects.exists()
    assert post("/v1/batch", fakes(3, first=3), HTTP_ORIGIN="http://testserver").status_code == 200
    assert Device.objects.count() == 3


def answers(path, bodies):
    found = []
    for body in bodies:
        response = Client().post(path, json.dumps(body), content_type="text/plain")
        said = response.json()
        if said.get("device"):
            said["device"] = len(said["device"])
        found.append((response.status_code, said, sorted(response.headers)))
    return found


def test_nobody_learns_from_an_answer_who_is_known_unknown_or_erased(browser, real_now):
    """S36: for each public endpoint that takes an id."""
    make.profile("known", proven_at=real_now)
    make.profile("erased", proven_at=real_now, erased_at=real_now)
    people = ("known", "erased", "unknown")
    own = {"writeKey": "browser-key", "anonymousId": "v"}
    for path, body in (
        ("/v1/identify", {"traits": {"a": 1}}),
        ("/v1/track", {"event": "Seen"}),
        ("/v1/alias", {"previousId": "v"}),
        ("/v1/group", {"groupId": "g"}),
    ):
        first, *others = answers(path, [own | body | {"userId": who} for who in people])
        assert others == [first] * 2, path
        assert first[0] == 200
        alone = {name: value for name, value in own.items() if name != "anonymousId"}
        first, *others = answers(path, [alone | body | {"userId": who} for who in people])
        assert others == [first] * 2, path
        assert first[0] == 400
        first, *others = answers("/v1/alias", [own | {"userId": "new", "previousId": who} for who in people])
        assert others == [first] * 2
    first, *others = answers("/v1/devices", [arrival(n) | {"userId": who} for n, who in enumerate(people)])
    assert others == [first] * 2
    assert first[1]["device"] == 36


def test_an_erased_persons_browser_gets_the_same_made_up_id_each_time_and_nothing_is_stored(browser, real_now):
    make.profile("erased", erased_at=real_now)
    proof = {"userId": "erased", "userHash": sources.identity_hash(browser, "erased")}
    ids = {post("/v1/devices", arrival() | proof).json()["device"] for _ in range(2)}
    assert len(ids) == 1
    assert not Device.objects.exists()
