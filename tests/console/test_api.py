"""The REST API for the company's own services: keys, strictness, profiles, events, choices."""

import datetime as dt

import pytest
from django.test import Client

from audiences.models import Choice, ConsentEntry, Event, Profile
from console.api.keys import create_key, forget_keys
from console.models import ApiKey
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(redis_server):
    """Calls the API with a key of all scopes: api("post", "/api/…", {...})."""
    _, text = create_key("tests", ["admin"])
    return caller(text)


def caller(text):
    client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {text}"})

    def call(method, path, data=None, **headers):
        more = {"data": data, "content_type": "application/json"} if data is not None else {}
        return getattr(client, method)(path, headers=headers, **more)

    return call


def test_a_profile_is_made_changed_and_read(api):
    response = api("post", "/api/profiles", {"external_id": "ada", "attributes": {"plan": "pro"}, "zone": "US/Eastern"})
    assert response.status_code == 200
    api("put", "/api/profiles/ada", {"attributes": {"city": "Bonn", "plan": None}, "locale": "de-DE"})
    shown = api("get", "/api/profiles/ada").json()
    assert shown["attributes"] == {"city": "Bonn"}
    assert (shown["external_id"], shown["zone"], shown["locale"]) == ("ada", "US/Eastern", "de-DE")
    assert Profile.objects.get().proven_at


def test_a_text_that_was_cut_in_an_emoji_is_kept_without_the_half_of_it(api):
    said = r'{"attributes": {"title": "Mug \ud83d\ude00 \ud83d"}}'
    assert api("put", "/api/profiles/ada", said).json()["attributes"] == {"title": "Mug \U0001f600 \ufffd"}


def test_an_id_that_was_merged_away_names_the_survivor_and_an_erased_one_nobody(api):
    from audiences.identity import merge

    ada, old = make.profile("ada"), make.profile("old")
    merge(ada.pk, old.pk, now=make.NOW)
    make.profile("gone", erased_at=make.NOW)
    assert api("get", "/api/profiles/old").json()["external_id"] == "ada"
    for nobody in ("gone", "never"):
        response = api("get", f"/api/profiles/{nobody}")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_a_thousand_profiles_come_in_at_once_or_not_at_all(api, django_assert_max_num_queries):
    many = [{"external_id": f"p-{n}", "attributes": {"n": n}} for n in range(1000)]
    with django_assert_max_num_queries(20):
        assert api("post", "/api/profiles/bulk", {"profiles": many}).json() == {"accepted": 1000}
    assert Profile.objects.count() == 1000
    response = api("post", "/api/profiles/bulk", {"profiles": [*many, {"external_id": "x"}]})
    assert response.status_code == 422
    response = api("post", "/api/profiles/bulk", {"profiles": [{"external_id": "new"}, {"external_id": ""}]})
    assert (response.status_code, response.json()["pointer"]) == (422, "/profiles/1/external_id")
    assert not Profile.objects.filter(external_id="new").exists()


def test_lists_are_paged_by_cursor_filtered_and_show_the_fields_asked_for(api):
    for number in range(5):
        make.profile(f"p-{number}", last_seen_at=make.NOW - dt.timedelta(days=number))
    make.profile(merged_into=Profile.objects.first())
    first = api("get", "/api/profiles?limit=3&fields=external_id").json()
    assert first["results"] == [{"external_id": f"p-{n}"} for n in (4, 3, 2)]
    rest = api("get", first["next"]).json()["results"]
    assert [one["external_id"] for one in rest] == ["p-1", "p-0"]
    after = (make.NOW - dt.timedelta(days=1)).isoformat().replace("+00:00", "Z")
    found = api("get", f"/api/profiles?seen_after={after}&seen_before=2026-11-24T00:00:00%2B01:00").json()["results"]
    assert [one["external_id"] for one in found] == ["p-1"]
    assert [p["external_id"] for p in api("get", "/api/profiles?external_id=p-2").json()["results"]] == ["p-2"]


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({}, 422, "required", "/external_id"),
        ({"external_id": "a", "merged_into": 1}, 400, "unknown_field", "/merged_into"),
        ({"external_id": "a", "created_at": "2026-01-01T00:00:00Z"}, 400, "unknown_field", "/created_at"),
        ({"external_id": "a", "proven_at": None}, 400, "unknown_field", "/proven_at"),
        ({"external_id": "a", "zone": "Mars/Phobos"}, 422, "invalid", "/zone"),
        ({"external_id": "a", "attributes": [1]}, 422, "not_a_dict", "/attributes"),
        ({"external_id": "a", "attributes": {"$x": 1}}, 422, "invalid", "/0/attributes/$x"),
        ({"external_id": "a\u0000"}, 400, "nul_character", "/external_id"),
        ({"external_id": "a\n"}, 422, "invalid", "/0/userId"),
    ],
)
def test_what_cannot_be_done_is_a_problem_with_code_words_and_pointer(api, body, status, code, pointer):
    response = api("post", "/api/profiles", body)
    problem = response.json()
    assert (response.status_code, problem["code"], problem.get("pointer")) == (status, code, pointer)
    assert problem["detail"]
    assert response["Content-Type"] == "application/problem+json"
    assert not Profile.objects.exists()


def test_events_come_in_once_and_are_listed_by_profile(api):
    body = {
        "events": [
            {"external_id": "ada", "event": "Paid", "properties": {"sum": 3}, "message_id": "m", "occurred_at": at}
            for at in ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00+05:45")
        ]
    }
    assert api("post", "/api/events", body).json() == {"stored": 1, "repeated": 1, "rejected": []}
    assert api("post", "/api/events", body).json()["repeated"] == 2
    api("post", "/api/events", {"events": [{"external_id": "ada", "event": "Left"}]})
    assert Event.objects.count() == 2
    shown = api("get", "/api/profiles/ada/events?after=2026-11-01T00:00:00Z").json()["results"]
    assert [one["event"] for one in shown] == ["Left", "Paid"]
    assert shown[1]["occurred_at"] == "2026-11-20T10:00:00Z"
    only = api("get", "/api/profiles/ada/events?event=Paid&after=2026-11-01T00:00:00Z").json()["results"]
    assert [one["properties"] for one in only] == [{"sum": 3}]


@pytest.mark.parametrize(("at", "status"), [("2026-11-20T10:00:00", 422), ("soon", 422), (5, 422)])
def test_naive_times_are_refused(api, at, status):
    response = api("post", "/api/events", {"events": [{"external_id": "a", "event": "E", "occurred_at": at}]})
    assert (response.status_code, response.json()["pointer"]) == (status, "/events/0/occurred_at")
    assert api("get", "/api/profiles?seen_after=2026-11-20T10:00:00").status_code == 422


def test_choices_are_recorded_with_proof_and_read(api):
    make.profile("ada")
    make.topic("deals")
    said = {"external_id": "ada", "topic": "deals", "decision": "in", "source": "checkout"}
    assert api("post", "/api/choices", said).json()["pointer"] == "/text"
    assert api("post", "/api/choices", said | {"text": "Yes, tell me."}).status_code == 201
    assert api("post", "/api/choices", said | {"topic": None, "decision": "out"}).status_code == 201
    assert api("post", "/api/choices", said | {"topic": "nope", "text": "x"}).json()["pointer"] == "/topic"
    assert api("post", "/api/choices", said | {"decision": "maybe"}).status_code == 422
    entry = ConsentEntry.objects.get(topic__key="deals")
    assert (entry.text, entry.actor) == ("Yes, tell me.", "API key tests")
    shown = api("get", "/api/profiles/ada/choices").json()["results"]
    assert {(one["topic"], one["decision"]) for one in shown} == {("deals", "in"), (None, "out")}
    assert Choice.objects.count() == 2
    assert [topic["key"] for topic in api("get", "/api/topics").json()["results"]] == ["deals"]


def test_devices_are_listed_without_their_addresses(api):
    make.device(make.profile("ada"), address="https://fcm.googleapis.com/fcm/send/secret")
    response = api("get", "/api/profiles/ada/devices")
    assert response.json()["results"][0]["gateway"] == "webpush"
    assert "secret" not in response.content.decode()


def test_a_key_does_what_its_scopes_say(redis_server):
    make.profile("ada")
    read, write = (caller(create_key(scope, [scope])[1]) for scope in ("read", "write"))
    assert read("get", "/api/profiles/ada").status_code == 200
    assert read("post", "/api/profiles", {"external_id": "x"}).status_code == 403
    assert write("post", "/api/profiles", {"external_id": "x"}).status_code == 200
    assert write("get", "/api/profiles/ada").status_code == 403


def test_write_keys_unknown_revoked_and_expired_keys_open_nothing(redis_server, real_now):
    for kind in ("server", "browser"):
        make.source(kind, key=f"{kind}-key")
        assert caller(f"{kind}-key")("get", "/api/profiles").status_code == 403
    assert caller("wrong")("get", "/api/profiles").status_code == 401
    assert Client().get("/api/profiles").status_code == 401
    _, expired = create_key("expired", ["read"], expires_at=real_now - dt.timedelta(seconds=1))
    assert caller(expired)("get", "/api/profiles").status_code == 401
    _, revoked = create_key("revoked", ["read"])
    assert caller(revoked)("get", "/api/profiles").status_code == 200
    ApiKey.objects.update(revoked_at=real_now)
    forget_keys()  # what half a minute does
    assert caller(revoked)("get", "/api/profiles").status_code == 401


def test_the_database_keeps_no_key(redis_server):
    key, text = create_key("tests", ["read"])
    assert text not in str(ApiKey.objects.values().get())
    assert key.hint != text


def test_what_did_not_change_is_not_sent_again(api):
    make.profile("ada")
    tag = api("get", "/api/profiles/ada")["ETag"]
    assert api("get", "/api/profiles/ada", **{"If-None-Match": tag}).status_code == 304
    api("put", "/api/profiles/ada", {"attributes": {"a": 1}})
    assert api("get", "/api/profiles/ada", **{"If-None-Match": tag}).status_code == 200


def test_a_flood_is_429_with_retry_after(api, monkeypatch):
    from console.tracking import rates

    monkeypatch.setitem(rates.RATES, "api", (1.0, 3.0))
    answers = [api("get", "/api/topics") for _ in range(6)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert int(answers[-1]["Retry-After"]) >= 1


def test_a_key_is_made_from_the_command_line_and_printed_once(redis_server, capsys):
    from django.core.management import call_command

    call_command("create_api_key", "Billing", "--scope", "read")
    assert caller(capsys.readouterr().out.strip())("get", "/api/topics").status_code == 200
    assert ApiKey.objects.get().scopes == ["read"]
