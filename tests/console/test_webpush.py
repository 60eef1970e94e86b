"""The addresses that a site embeds: heed.js, heed-sw.js and what they ask for."""

from __future__ import annotations

import datetime as dt
import gzip
import json

import pytest

from delivery.models import SendingRules
from tests import make

SITE = "https://shop.example"
CONFIG = "/v1/webpush/config"


@pytest.mark.parametrize("path", ["/heed.js", "/heed-sw.js"])
def test_scripts_can_be_embedded_by_any_site_and_come_packed(client, path):
    plain = client.get(path, headers={"origin": SITE})
    assert plain.status_code == 200
    assert plain["Content-Type"] == "text/javascript; charset=utf-8"
    assert plain["Access-Control-Allow-Origin"] == "*"
    assert plain["Cross-Origin-Resource-Policy"] == "cross-origin"
    packed = client.get(path, headers={"accept-encoding": "gzip, br"})
    assert packed["Content-Encoding"] == "gzip"
    assert len(packed.content) < 10_000
    assert gzip.decompress(packed.content) == plain.content
    assert "Accept-Encoding" in packed["Vary"]


@pytest.mark.parametrize("path", ["/heed.js", "/heed-sw.js"])
def test_a_browser_that_has_the_script_gets_it_no_second_time(client, path):
    first = client.get(path)
    again = client.get(path, headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert client.get(path, headers={"if-none-match": '"other"'}).status_code == 200


def test_a_worker_is_never_old_and_may_serve_the_whole_site(client):
    response = client.get("/heed-sw.js")
    assert response["Cache-Control"] == "no-cache"
    assert response["Service-Worker-Allowed"] == "/"
    assert "max-age=3600" in client.get("/heed.js")["Cache-Control"]


def test_the_worker_knows_where_it_came_from(client, settings):
    settings.HEED_BASE_URL = "https://push.example.com"
    settings.ALLOWED_HOSTS = ["push.example.com", "push2.example.com"]

    def hosts(host: str) -> list[str]:
        first = client.get("/heed-sw.js", headers={"host": host}).content.decode().splitlines()[0]
        return json.loads(first.removeprefix("self.heedHosts = ").removesuffix(";"))

    assert hosts("push.example.com") == ["https://push.example.com"]
    assert hosts("push2.example.com") == ["https://push2.example.com", "https://push.example.com"]
    assert client.get("/heed-sw.js", headers={"host": "evil.example"}).status_code == 400


def test_the_workers_policy_lets_it_talk_to_us_alone(client, settings):
    settings.HEED_BASE_URL = "http://testserver"
    policy = dict(one.split(" ", 1) for one in client.get("/heed-sw.js")["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self' http://testserver"
    assert policy["img-src"] == "'self' https: data: http://testserver"


@pytest.mark.parametrize("path", ["/heed.js", "/heed-sw.js", CONFIG])
def test_nothing_is_posted_there(client, path):
    assert client.post(path).status_code == 405


@pytest.fixture
def asked(client, redis_server, db, settings):
    settings.HEED_CORS_ORIGINS = (SITE,)
    make.source("browser", key="browser-key")
    return lambda key="browser-key", origin=SITE: client.get(f"{CONFIG}?key={key}", headers={"origin": origin})


def test_a_page_learns_the_newest_key_that_we_send_with(asked):
    assert asked().json()["publicKey"] is None
    make.credential()
    newest = make.credential()
    make.credential(retired_at=dt.datetime(2026, 11, 1, tzinfo=dt.UTC))
    assert asked().json()["publicKey"] == newest.public_key


def test_the_words_carry_the_sites_name_and_a_version_of_their_own(asked):
    SendingRules.objects.create(pk=1, site_name="Fjord & Fell")
    said = asked().json()
    assert said["siteName"] == "Fjord & Fell"
    assert said["prompt"]["title"] == "Shall Fjord & Fell keep you posted?"
    SendingRules.objects.update(site_name="Tern")
    assert asked().json()["prompt"]["version"] != said["prompt"]["version"]


def test_only_the_sites_own_origins_may_read_it(asked):
    assert asked()["Access-Control-Allow-Origin"] == SITE
    assert "Access-Control-Allow-Origin" not in asked(origin="https://evil.example")


def test_a_wrong_or_a_secret_key_gets_nothing(asked):
    make.source("server", key="server-key")
    assert asked("nonsense").status_code == 401
    refused = asked("server-key")
    assert refused.status_code == 401
    assert "website source" in refused.json()["message"]
