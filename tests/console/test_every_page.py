"""A walk over every address of the site: nothing fails, a look changes nothing, the policies stand on every answer, and
a form of another site changes nothing."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import unquote

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import Resolver404, resolve
from django.utils import timezone

from audiences.models import Permission, Source
from audiences.preference_links import token
from campaigns.models import Campaign
from console.api.keys import create_key
from console.demo import facts_file
from console.heartbeat import beat
from delivery.models import Cap, Message, Push, SendingRules
from tests import make
from tests.routes import Route, routes

pytestmark = pytest.mark.django_db

# What takes a POST without a CSRF token: a key or a signed token stands in the call itself, and no cookie counts.
KEYED = ("v1/", "beacon/v1/", "sourceConfig", "api/", "p/")
# Neither eval nor inline anything outside the console.
CONSOLE = "console/"


@pytest.fixture
def made(settings: Any, tmp_path: Any, redis_server: Any) -> dict[str, object]:
    """One of everything, by the beginning of the addresses that show it; the parameters that are not ids by name."""
    settings.HEED_DATA = tmp_path
    facts_file.write({"browser_key": "browser-key"})
    now = dt.datetime.now(dt.UTC)
    ada = make.profile("ada", attributes={"first_name": "Ada"})
    make.device(ada, permission=Permission.DENIED)
    make.event(ada, "Product Added", at=now)
    SendingRules.objects.create(pk=1)
    beat("clock")
    beat("worker")
    segment = make.segment({"everyone": True})
    draft, running = make.campaign(), make.campaign(state=Campaign.State.RUNNING, scheduled_at=now, launched_at=now)
    running.included.add(segment)
    wave = make.wave(origin=running.origin, wave_on=now.date(), due_at=now, created_at=now)
    message = make.message(wave, ada, state=Message.State.SENT, decided_at=now, intent_at=now, planned_at=now)
    Push.objects.create(
        wave_on=now.date(),
        wave=wave,
        message=message,
        profile=ada,
        device=ada.devices.get(),
        send_key="k",
        intent_at=now,
        state="sent",
        shown_at=now,
    )
    Source.objects.filter(pk=make.source("browser", key="browser-key").pk).update(last_used_at=now)
    key, text = create_key("Crawler", ["admin"])
    type(key).objects.filter(pk=key.pk).update(last_used_at=timezone.now() + dt.timedelta(minutes=5))
    return {
        "console/campaigns/": [running.pk, draft.pk],
        "console/reports/": [running.pk, draft.pk],
        "console/templates/": [draft.template_id],
        "console/segments/": [segment.pk],
        "console/profiles/": [ada.pk],
        "console/settings/topics/": [draft.topic_id],
        "console/settings/sources/": [Source.objects.get().pk],
        "console/settings/credentials/": [make.credential().pk],
        "console/settings/caps/": [Cap.objects.create(limit=5, hours=168).pk],
        "console/settings/rules/": [1],
        "console/settings/api-keys/": [key.pk],
        "console/settings/team/": [User.objects.create_superuser("olive").pk],
        "external_id": "ada",
        "write_key": "browser-key",
        "token": token(ada.pk, now=now),
        "key": "L101",
        "name": "pause",
        "app_label": "campaigns",
        "content_type_id": "1",
        "api key": text,
    }


def addresses(route: Route, made: dict[str, Any]) -> list[str]:
    """The route's addresses with something real in it, and with what nobody meant."""
    if not route.parameters:
        return [route.address()]
    ids = next((ids for start, ids in made.items() if route.text.startswith(start)), [1])
    found = []
    for pk in [*ids, 0, 987_654_321]:
        found.append(route.address(**{name: made.get(name, pk) for name in route.parameters}))
    if "<int:" not in route.text:
        for odd in ("x", "9" * 30, "%00", "%C2%B2", "-1", "a%2Fb", "%3Cscript%3E"):
            found.append(route.address(**dict.fromkeys(route.parameters, odd)))
    return list(dict.fromkeys(found))


def is_route(address: str) -> bool:
    """Whether it leads to a view at all: not where a slash is part of an id, and not with a NUL."""
    try:
        resolve(unquote(address))
    except Resolver404:
        return False
    return "%00" not in address


# Parameters that some page or program's interface reads, and what they might hold.
QUESTIONS = ("q", "s", "p", "o", "e", "state", "reason", "arm", "after", "before", "start", "next", "external_id")
QUESTIONS += ("cursor", "limit", "fields", "event", "seen_after", "key", "writeKey", "state__exact", "_popup")
ODD = ("%00", "9" * 30, "-1", "%27%22%3Cscript%3E", "%C2%B2", "2026-13-45", "%F0%9F%A6%8A" * 100, "")


def client_for(route: Route, made: dict[str, Any], *, who: str) -> Client:
    client = Client(raise_request_exception=False)
    if route.text.startswith("api/"):
        client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {made['api key']}"
    elif who == "owner":
        client.force_login(User.objects.get(username="olive"))
    if route.text == "preferences":
        client.cookies["heed-preferences"] = made["token"]
    return client


def policy_of(answer: Any) -> dict[str, str]:
    """Directive → its sources."""
    return dict(part.split(" ", 1) for part in answer["Content-Security-Policy"].split("; "))


def writes() -> int:
    """Rows that this transaction has written so far, rolled back or not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_xact_user_tables")
        return int(cursor.fetchone()[0])


def contents() -> dict[str, tuple[int, str]]:
    """Each table's number of rows and the hash of them all."""
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = 'public'::regnamespace ORDER BY relname"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {table} t")
            found[table] = cursor.fetchone()
    return found


@pytest.mark.parametrize("who", ["stranger", "owner"])
def test_looking_at_any_address_works_and_changes_nothing(made: dict[str, Any], who: str) -> None:
    seen = 0
    users = {route: client_for(route, made, who=who) for route in routes()}
    before = contents()
    for route, client in users.items():
        for address in addresses(route, made):
            for method in ("get", "head", "options"):
                written = writes()
                answer = getattr(client, method)(address)
                assert answer.status_code < 500, (method, address)
                if answer.streaming:
                    b"".join(answer.streaming_content)
                assert writes() == written, (method, address, "changed something")
                seen += answer.status_code == 200
    assert contents() == before
    assert seen > (150 if who == "owner" else 30)


def test_odd_questions_are_answered(made: dict[str, Any]) -> None:
    for route in routes():
        client = client_for(route, made, who="owner")
        address = addresses(route, made)[0]
        if client.get(address).status_code == 200:
            for odd in ODD:
                asked = f"{address}?{'&'.join(f'{name}={odd}' for name in QUESTIONS)}"
                assert client.get(asked).status_code < 500, asked


@pytest.mark.parametrize("who", ["stranger", "owner"])
def test_every_answer_carries_the_policies(made: dict[str, Any], who: str) -> None:
    for route in routes():
        client = client_for(route, made, who=who)
        for address in addresses(route, made):
            answer = client.get(address)
            policy = policy_of(answer)
            assert policy["frame-ancestors"] == policy["base-uri"] == "'none'", address
            assert policy.get("object-src", policy["default-src"]) == "'none'", address
            assert "*" not in answer["Content-Security-Policy"], address
            assert "'unsafe-inline'" not in policy.get("script-src", ""), address
            if not address.startswith(f"/{CONSOLE}"):
                assert "unsafe" not in answer["Content-Security-Policy"], address
            wanted = "no-referrer" if address.startswith(("/p/", "/preferences")) else "same-origin"
            if answer.status_code not in (400, 404):
                assert answer["Referrer-Policy"] == wanted, address
            assert answer["Referrer-Policy"] in ("no-referrer", "same-origin"), address
            assert answer["X-Frame-Options"] == "DENY", address
            assert answer["X-Content-Type-Options"] == "nosniff", address


def test_the_page_of_the_console_may_eval_and_nothing_more(made: dict[str, Any]) -> None:
    client = Client()
    client.force_login(User.objects.get(username="olive"))
    for address in ("/console/", "/console/campaigns/", "/console/reports/", "/console/segments/new/"):
        assert policy_of(client.get(address))["script-src"] == "'self' 'unsafe-eval'", address
    assert policy_of(Client().get("/console/login/"))["script-src"] == "'self' 'unsafe-eval'"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_form_of_another_site_changes_nothing(made: dict[str, Any], method: str) -> None:
    olive = User.objects.get(username="olive")
    refused = 0
    for route in routes():
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        client.force_login(olive)
        client.cookies["heed-preferences"] = made["token"]
        for address in addresses(route, made):
            written = writes()
            answer = getattr(client, method)(address)
            if route.text.startswith(KEYED):
                # The cookies of the person count for nothing: without a key or token of its own the call is nobody's.
                assert answer.status_code < 500, address
                if "<str:token>" not in route.text:
                    assert answer.status_code in (400, 401, 403, 404, 405), (address, answer.status_code)
                    assert writes() == written, address
            else:
                assert answer.status_code == 403 or not is_route(address), (address, answer.status_code)
                assert writes() == written, address
                refused += 1
    assert refused > 100


def test_only_what_takes_a_key_or_a_signed_token_is_exempt() -> None:
    for route in routes():
        assert bool(getattr(route.view, "csrf_exempt", False)) == route.text.startswith(KEYED), route.text
