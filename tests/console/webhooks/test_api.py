"""Endpoints over the API, with an admin key."""

import datetime as dt

import pytest

from console.api.keys import create_key
from console.models import WebhookDelivery, WebhookEndpoint
from tests import make
from tests.console.test_api import caller

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def api(redis_server):
    return caller(create_key("Ops", ["admin"])[1])


@pytest.fixture
def crm(receiver):
    return {"name": "CRM", "url": f"{receiver.origin}/crm", "kinds": ["device.registered", "choice.opted_out"]}


def test_an_endpoint_is_made_told_changed_and_deleted(api, crm, receiver, tell):
    made = api("post", "/api/webhooks", crm)
    assert made.status_code == 201
    secret, path = made.json()["secret"], f"/api/webhooks/{made.json()['id']}"
    assert secret.startswith("whsec_")
    shown = api("get", path)
    assert shown.json()["enabled"] is True
    assert "secret" not in shown.json() and secret not in shown.content.decode()
    assert api("get", "/api/webhooks").json()["results"] == [shown.json()]
    make.device(make.profile("ada"))
    tell()
    assert receiver.received[0].is_genuine(secret)
    changed = api("patch", path, {"kinds": ["choice.opted_in"], "url": f"{receiver.origin}/other", "enabled": False})
    assert (changed.json()["enabled"], changed.json()["kinds"]) == (False, ["choice.opted_in"])
    assert api("patch", path, {"enabled": True}).json()["enabled"] is True
    assert api("delete", path).status_code == 204
    assert api("get", path).status_code == 404
    assert not WebhookDelivery.objects.exists()


def test_deliveries_are_listed_with_each_attempt_and_replayed(api, crm, receiver, tell, real_now):
    path = f"/api/webhooks/{api('post', '/api/webhooks', crm).json()['id']}"
    receiver.script = [500, 410]
    test = api("post", f"{path}/test")
    assert test.status_code == 202
    tell(now=real_now + dt.timedelta(seconds=1))
    (one,) = api("get", f"{path}/deliveries").json()["results"]
    assert (one["id"], one["state"], one["kinds"]) == (test.json()["id"], "pending", ["webhook.test"])
    assert [attempt["status"] for attempt in one["log"]] == [500]
    tell(now=real_now + dt.timedelta(minutes=1))
    assert api("get", path).json()["disabled_reason"] == "It answered 410 Gone."
    refused = api("post", f"{path}/replay", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_is_off")
    api("patch", path, {"enabled": True})
    assert api("post", f"{path}/replay", {}).json() == {"replayed": 1}
    tell(now=dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1))
    assert [one["state"] for one in api("get", f"{path}/deliveries?state=delivered").json()["results"]] == ["delivered"]
    assert api("post", f"{path}/replay", {"deliveries": [one["id"]]}).json() == {"replayed": 1}
    assert api("post", f"{path}/replay", {"deliveries": [one["id"]]}).json() == {"replayed": 0}  # it waits already
    assert len({event["id"] for event in receiver.events()}) == 1


def test_another_secret_is_shown_once_and_both_hold_for_a_day(api, crm, receiver, tell, real_now):
    made = api("post", "/api/webhooks", crm).json()
    other = api("post", f"/api/webhooks/{made['id']}/secret").json()
    assert other["secret"] != made["secret"] and other["old_secret_until"]
    api("post", f"/api/webhooks/{made['id']}/test")
    tell(now=real_now + dt.timedelta(seconds=2))
    assert all(receiver.received[0].is_genuine(secret) for secret in (made["secret"], other["secret"]))


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"url": "https://10.0.0.1/x"}, 422, "/url"),
        ({"url": "http://example.com/x"}, 422, "/url"),
        ({"url": "https://localhost:1/x"}, 422, "/url"),
        ({"kinds": []}, 422, "/kinds"),
        ({"kinds": ["message.read"]}, 422, "/kinds"),
        ({"kinds": "message.sent"}, 422, "/kinds"),
        ({"name": ""}, 422, "/name"),
        ({"secret": "mine"}, 400, "/secret"),
        ({"disabled_at": None}, 400, "/disabled_at"),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field_when_made_and_when_changed(api, crm, change, status, pointer):
    refused = api("post", "/api/webhooks", crm | change)
    assert (refused.status_code, refused.json()["pointer"]) == (status, pointer)
    made = api("post", "/api/webhooks", crm).json()
    refused = api("patch", f"/api/webhooks/{made['id']}", change)
    assert (refused.status_code, refused.json()["pointer"]) == (status, pointer)
    assert api("get", f"/api/webhooks/{made['id']}").json()["url"] == crm["url"]
    assert WebhookEndpoint.objects.count() == 1


def test_two_endpoints_have_two_names(api, crm):
    api("post", "/api/webhooks", crm)
    assert api("post", "/api/webhooks", crm).json()["pointer"] == "/name"


def test_only_an_admin_key_sees_or_changes_endpoints(api, crm, redis_server):
    made = api("post", "/api/webhooks", crm).json()
    everything_else = caller(create_key("Other", ["read", "write", "send", "send:transactional"])[1])
    for path in ("", f"/{made['id']}", f"/{made['id']}/deliveries"):
        assert everything_else("get", f"/api/webhooks{path}").status_code == 403
    for path in ("", f"/{made['id']}/secret", f"/{made['id']}/test", f"/{made['id']}/replay"):
        assert everything_else("post", f"/api/webhooks{path}", {}).status_code == 403
    assert everything_else("delete", f"/api/webhooks/{made['id']}").status_code == 403
