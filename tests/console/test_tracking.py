"""The tracking API as SDKs meet it: keys, bodies, answers, origins, limits."""

import gzip
import json
import time
from base64 import b64encode

import pytest
from django.db import OperationalError, connection
from django.test import Client

from audiences import sources
from audiences.models import Event, Profile
from tests import make

pytestmark = pytest.mark.django_db

TRACK = {"type": "track", "userId": "ada", "event": "Product Added"}


@pytest.fixture
def server(redis_server):
    return make.source("server", key="server-key")


@pytest.fixture
def browser(redis_server):
    return make.source("browser", key="browser-key")


def post(path, data, *, key="server-key", content_type="application/json", **headers):
    if key:
        headers.setdefault("HTTP_AUTHORIZATION", "Basic " + b64encode(f"{key}:".encode()).decode())
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Client(enforce_csrf_checks=True).post(path, data, content_type=content_type, **headers)


@pytest.mark.parametrize(
    ("paths", "call"),
    [
        (("/v1/identify", "/v1/i"), {"userId": "ada", "traits": {"plan": "pro"}}),
        (("/v1/track", "/v1/t"), {"userId": "ada", "event": "X"}),
        (("/v1/page", "/v1/p"), {"userId": "ada", "name": "Home"}),
        (("/v1/screen", "/v1/s"), {"userId": "ada", "name": "Home"}),
        (("/v1/group", "/v1/g"), {"userId": "ada", "groupId": "acme"}),
        (("/v1/alias", "/v1/a"), {"userId": "ada", "previousId": "v"}),
        (("/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch"), {"batch": [TRACK]}),
    ],
)
def test_every_call_has_its_path_and_its_short_path(server, paths, call):
    for path in paths:
        response = post(path, call)
        assert (response.status_code, response.json()) == (200, {"success": True})
    assert Profile.objects.get(external_id="ada").proven_at


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_AUTHORIZATION": "Basic " + b64encode(b"server-key:").decode()},
        {"HTTP_AUTHORIZATION": "basic " + b64encode(b"server-key:ignored").decode()},
        {"HTTP_AUTHORIZATION": "Bearer server-key"},
        {},
    ],
)
def test_the_write_key_comes_as_basic_bearer_or_in_the_body(server, headers):
    for path, data in (("/v1/track", TRACK), ("/v1/batch", {"batch": [TRACK]})):
        if not headers:
            data = data | {"writeKey": "server-key"}
        assert post(path, data, key=None, **headers).status_code == 200


@pytest.mark.parametrize("key", ["wrong", "", "ä", "x" * 500])
def test_an_unknown_key_is_401_with_code_and_message(server, key):
    response = post("/v1/batch", {"batch": [TRACK], "writeKey": key}, key=None)
    assert response.status_code == 401
    assert set(response.json()) == {"code", "message"}
    assert post("/v1/track", TRACK, key=None, HTTP_AUTHORIZATION="Basic !!!").status_code == 401


def test_a_revoked_key_ends_within_half_a_minute(server, real_now):
    assert post("/v1/track", TRACK).status_code == 200
    type(server).objects.update(revoked_at=real_now)
    sources.forget_sources()  # what the half minute does
    assert post("/v1/track", TRACK).status_code == 401


def test_bodies_come_gzipped_and_as_text(server):
    packed = gzip.compress(json.dumps({"batch": [TRACK]}).encode())
    assert post("/v1/batch", packed, HTTP_CONTENT_ENCODING="gzip").status_code == 200
    assert post("/v1/batch", {"batch": [TRACK]}, content_type="text/plain;charset=UTF-8").status_code == 200
    assert Event.objects.count() == 2


def test_what_is_not_gzip_json_or_an_envelope_is_400_with_its_path(server):
    for data, headers, path in [
        (b"{", {}, ""),
        (b"plain", {"HTTP_CONTENT_ENCODING": "gzip"}, ""),
        (gzip.compress(b'{"batch":[]}')[:-9], {"HTTP_CONTENT_ENCODING": "gzip"}, ""),
        (b"[]", {}, ""),
        (b"{}", {}, "batch"),
        (b'{"batch": 1}', {}, "batch"),
        (b'{"batch": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}", {}, None),
        (b"\xff\xfe", {}, ""),
    ]:
        response = post("/v1/batch", data, **headers)
        assert response.status_code == 400, data[:40]
        assert response.json()["code"] == "malformed"
        assert path is None or response.json()["path"] == path
    assert post("/v1/batch", b"x", HTTP_CONTENT_ENCODING="br").status_code == 415


def test_a_single_bad_call_is_400_with_the_fields_path(server):
    response = post("/v1/track", {"userId": "ada", "event": "X", "context": {"timezone": 5}})
    assert response.status_code == 400
    assert response.json()["path"] == "context.timezone"
    assert response.json()["code"] == "malformed"
    assert post("/v1/devices", {}).json()["path"] == "device"
    too_large = post("/v1/track", b'{"userId": "ada", "event": "X", "properties": {"price": 1e999}}')
    assert too_large.json()["path"] == "properties"


def test_a_text_that_was_cut_in_an_emoji_loses_neither_its_call_nor_the_batch(server):
    cut = rb'"properties": {"title": "Mug \ud83d\ude00 \\ud83d \ud83d", "n": "\udc00"}'
    call = b'{"type": "track", "userId": "ada", "event": "X", ' + cut + b"}"
    assert post("/v1/track", call).json() == {"success": True}
    assert post("/v1/batch", b'{"batch": [' + call + b"]}").json() == {"success": True}
    kept = {"title": "Mug \U0001f600 \\ud83d \ufffd", "n": "\ufffd"}
    assert [event.properties for event in Event.objects.all()] == [kept, kept]


def test_in_a_batch_the_good_are_kept_and_the_bad_named_and_only_all_bad_is_400(server):
    bad = {"type": "track", "userId": "ada"}
    response = post("/v1/batch", {"batch": [TRACK, bad, TRACK]})
    assert response.status_code == 200
    assert response.json()["success"] is True
    assert [(r["index"], r["path"]) for r in response.json()["rejected"]] == [(1, "event")]
    assert Event.objects.count() == 2
    response = post("/v1/batch", {"batch": [bad, bad]})
    assert response.status_code == 400
    assert response.json()["path"] == "batch[0].event"
    assert len(response.json()["rejected"]) == 2
    assert post("/v1/batch", {"batch": []}).status_code == 200


def test_what_is_too_large_is_413_also_after_unpacking(server):
    assert post("/v1/track", TRACK | {"properties": {"x": "y" * 33_000}}).status_code == 413
    assert post("/v1/batch", {"batch": [TRACK | {"properties": {"x": "y" * 2000}}] * 300}).status_code == 413
    bomb = gzip.compress(b'{"batch": [' + b" " * 50_000_000 + b"]}")
    assert len(bomb) < 100_000
    assert post("/v1/batch", bomb, HTTP_CONTENT_ENCODING="gzip").status_code == 413
    small = {"type": "track", "userId": "a", "event": "E"}
    assert post("/v1/batch", {"batch": [small] * 2501}).status_code == 413
    assert post("/v1/batch", {"batch": [small] * 2500}).status_code == 200
    response = post("/v1/batch", {"batch": [TRACK, TRACK | {"properties": {"x": "y" * 33_000}}]})
    assert response.json()["rejected"][0]["index"] == 1


def test_a_burst_is_429_with_retry_after_for_that_address_alone(server, settings):
    settings.HEED_TRACK_RATE = 0.1
    assert post("/v1/track", TRACK).status_code == 200  # the key is known from now on
    assert [post("/v1/track", TRACK).status_code for _ in range(3)] == [200, 429, 429]
    refused = post("/v1/track", TRACK, HTTP_X_FORWARDED_FOR="10.1.1.1")  # what a caller writes there is not believed
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) >= 1
    assert post("/v1/track", TRACK, REMOTE_ADDR="10.0.0.9").status_code == 200


def test_without_redis_nobody_is_limited(server, settings, monkeypatch):
    from console.tracking import rates

    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    settings.HEED_TRACK_RATE = 0.001
    rates._script.cache_clear()
    monkeypatch.setattr(rates, "_paused_until", 0.0)
    try:
        assert [post("/v1/track", TRACK).status_code for _ in range(5)] == [200] * 5
    finally:
        rates._script.cache_clear()


def test_while_the_database_is_away_the_answer_is_503_with_retry_after(server):
    assert post("/v1/track", TRACK).status_code == 200

    def away(execute, sql, params, many, context):
        raise OperationalError("the server closed the connection unexpectedly")

    with connection.execute_wrapper(away):
        response = post("/v1/batch", {"batch": [TRACK]})
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert response.json()["code"] == "unavailable"


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("https://shop.example", True),
        ("http://testserver", True),
        ("https://evil.example", False),
        ("https://shop.example.evil.example", False),
        ("https://shop.example:8443", False),
        ("http://shop.example", False),
        ("null", False),
    ],
)
def test_pages_of_the_sites_own_origins_may_call(browser, settings, origin, is_allowed):
    settings.HEED_CORS_ORIGINS = ("https://shop.example",)
    preflight = Client().options("/v1/t", HTTP_ORIGIN=origin, HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST")
    assert preflight.status_code == 204
    said = post("/v1/t", TRACK, key="browser-key", HTTP_ORIGIN=origin)
    for response in (preflight, said):
        assert response.get("Access-Control-Allow-Origin") == (origin if is_allowed else None)
        assert "Origin" in response["Vary"]
    if is_allowed:
        allowed = preflight["Access-Control-Allow-Headers"]
        assert all(name in allowed for name in ("authorization", "content-type", "x-retry-count"))
        assert int(preflight["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Credentials" not in preflight


def test_errors_too_can_be_read_by_the_page(browser, settings):
    settings.HEED_CORS_ORIGINS = ("https://shop.example",)
    response = post("/v1/t", TRACK, key="wrong", HTTP_ORIGIN="https://shop.example")
    assert response.status_code == 401
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"


def test_segments_browser_sdk_finds_where_to_send(browser, server, settings):
    settings.HEED_BASE_URL = "https://push.example"
    document = Client().get("/v1/projects/browser-key/settings")
    assert document.json()["integrations"]["Segment.io"] == {
        "apiKey": "browser-key",
        "apiHost": "push.example/v1",
        "protocol": "https",
    }
    for key in ("server-key", "unknown"):
        assert Client().get(f"/v1/projects/{key}/settings").status_code == 404


def test_rudderstacks_sdks_find_an_enabled_source(browser):
    headers = {"HTTP_AUTHORIZATION": "Basic " + b64encode(b"browser-key:").decode()}
    for path in ("/sourceConfig/", "/sourceConfig/?p=web&v=3.0", "/sourceConfig"):
        source = Client().get(path, **headers).json()["source"]
        assert (source["enabled"], source["destinations"], source["writeKey"]) == (True, [], "browser-key")
    assert Client().get("/sourceConfig/").status_code == 401


def test_other_methods_are_refused(browser):
    for method in ("get", "put", "delete", "patch"):
        response = getattr(Client(), method)("/v1/batch")
        assert response.status_code == 405
        assert response["Allow"] == "POST, OPTIONS"


def test_at_full_speed_the_limit_holds_although_tokens_are_fetched_by_the_handful(server, settings):
    settings.HEED_TRACK_RATE = 30
    post("/v1/track", TRACK)
    began = time.monotonic()
    statuses = [post("/v1/track", b"{}").status_code for _ in range(160)]
    took = time.monotonic() - began
    passed = len([status for status in statuses if status == 400])
    assert min(160, 60 + int(30 * took) - 4) <= passed <= 60 + 30 * took + 4


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_dies_costs_one_503_and_the_repeat_is_stored(server):
    body = {"batch": [TRACK | {"messageId": "m-1"}]}
    assert post("/v1/batch", {"batch": [TRACK]}).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    other.close()
    first = post("/v1/batch", body)
    assert first.status_code in (200, 503)  # a health check may have seen it first
    assert post("/v1/batch", body).status_code == 200
    assert Event.objects.filter(message_id="m-1").count() == 1


def test_an_answer_has_its_length_and_the_strictest_policy_whatever_became_of_the_call(server):
    for key, data in (("server-key", TRACK), ("wrong", TRACK), ("server-key", b"{")):
        answer = post("/v1/track", data, key=key)
        assert answer["Content-Length"] == str(len(answer.content))
        assert answer["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer["X-Content-Type-Options"] == "nosniff"


def test_calls_to_another_hosts_name_are_refused_and_unknown_addresses_not_found(server):
    assert post("/v1/track", TRACK, HTTP_HOST="elsewhere.example").status_code == 400
    assert post("/v1/nothing", TRACK).status_code == 404
    assert not Event.objects.exists()
