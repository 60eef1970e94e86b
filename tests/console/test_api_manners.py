"""What holds for every call of the REST API: no NUL, how often; and why, and where a profile belongs."""

import datetime as dt
import json

import pytest
from django.test import Client

from console.api.keys import create_key
from console.tracking import rates
from delivery.models import Message
from tests import make
from tests.console.test_api import caller
from tests.delivery.sending import drain, subscribed

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(redis_server):
    return create_key("Shop", ["read", "write", "send", "send:transactional"])[1]


@pytest.fixture
def api(key):
    return caller(key)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"to": ["ada\0"], "content": {"title": "Hello"}}, "/to/0"),
        ({"to": "ada", "content": {"title": "Hel\0lo"}}, "/content/title"),
        ({"to": "ada", "content": {"title": "Hello", "data": {"a": [{"b": "\0"}]}}}, "/content/data/a/0/b"),
        ({"to": "ada", "content": {"title": "Hello", "data": {"a\0": 1}}}, "/content/data"),
        ({"to": "ada", "template": "Order\0"}, "/template"),
        ({"to": "ada", "template": "Order", "data": {"order": "\0"}}, "/data/order"),
        ({"to": "ada", "content": {"title": "Hello"}, "platform": {"ios": {"thread": "\0"}}}, "/platform/ios/thread"),
        ({"to": "ada", "content": {"title": "Hello"}, "topic": "\0"}, "/topic"),
    ],
)
def test_a_send_with_a_nul_anywhere_is_refused_and_says_where(api, body, pointer):
    make.profile("ada")
    answer = api("post", "/api/messages", body)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["pointer"]) == (400, "nul_character", pointer)
    assert "NUL" in problem["detail"]
    assert not Message.objects.exists()


@pytest.mark.parametrize("where", ["profiles", "profiles/bulk", "events", "choices", "devices"])
def test_so_is_everything_else_that_is_posted(api, where):
    assert api("post", f"/api/{where}", {"x": ["\0"]}).json()["code"] == "nul_character"


def test_text_that_only_writes_about_a_nul_is_taken(api):
    make.profile("ada")
    said = {"to": "ada", "content": {"title": r"a \u0000 and a \\u0000", "data": {"path": r"C:\u0000"}}}
    assert api("post", "/api/messages", said).status_code == 202
    assert Message.objects.get().data["content"]["data"] == {"path": r"C:\u0000"}


def test_a_nul_is_found_in_another_encoding_too(api, key):
    body = json.dumps({"to": "ada\0", "content": {"title": "Hello"}}).encode("utf-16")
    head = {"HTTP_AUTHORIZATION": f"Bearer {key}", "content_type": "application/json; charset=utf-16"}
    answer = Client().generic("POST", "/api/messages", body, **head)
    assert answer.json()["code"] == "nul_character"


def test_what_is_nested_beyond_reason_is_refused(api, key):
    head = {"HTTP_AUTHORIZATION": f"Bearer {key}", "content_type": "application/json"}
    answer = Client().generic("POST", "/api/messages", b"[" * 200_000, **head)
    assert answer.status_code == 400


def test_a_key_of_a_repeatable_post_is_printable(api):
    make.profile("ada")
    body = {"to": "ada", "content": {"title": "Hello"}}
    answer = api("post", "/api/messages", body, **{"Idempotency-Key": "a\0b"})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key")


def limits(answer):
    return [int(answer[f"RateLimit-{name}"]) for name in ("Limit", "Remaining", "Reset")]


def test_each_answer_tells_how_many_requests_are_left(api, monkeypatch):
    # None comes back while the test is at it.
    monkeypatch.setitem(rates.RATES, "send", (0.001, 3.0))
    make.profile("ada")
    body = {"to": "ada", "content": {"title": "Hello"}}
    answers = [api("post", "/api/messages", body) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    assert [limits(answer) for answer in answers] == [[3, 2, 1000], [3, 1, 2000], [3, 0, 3000], [3, 0, 3000]]
    assert int(answers[-1]["Retry-After"]) > 0
    # Reading has a limit of its own.
    assert limits(api("get", "/api/topics"))[0] == 200


def test_what_is_left_is_right_for_who_takes_several_at_a_time(api, monkeypatch):
    monkeypatch.setitem(rates.RATES, "api", (50.0, 200.0))
    left = [limits(api("get", "/api/topics"))[1] for _ in range(8)]
    assert left[:5] == [199, 198, 197, 196, 195]
    assert all(0 <= one < 200 for one in left)


def test_where_nobody_is_limited_nothing_is_said(api, monkeypatch):
    monkeypatch.setitem(rates.RATES, "api", (0, 0))
    monkeypatch.setattr("django.conf.settings.HEED_TRACK_RATE", 0)
    assert "RateLimit-Limit" not in api("get", "/api/topics")


def test_why_tells_what_was_recorded_when_it_is_over(api, push_service, real_now, transactional_db):
    make.credential()
    make.no_quiet_hours()
    ada = make.profile("ada")
    subscribed(push_service, [ada])
    message = api("post", "/api/messages", {"to": "ada", "content": {"title": "Hello"}}).json()["messages"][0]["id"]
    drain()
    why = api("get", f"/api/profiles/ada/why?message={message}").json()
    assert (why["message"], why["state"], why["allowed"]) == (message, "sent", True)
    assert why["gates"] == api("get", f"/api/messages/{message}").json()["gates"]
    ada.devices.all().delete()
    assert api("get", f"/api/profiles/ada/why?message={message}").json()["gates"] == why["gates"]


def test_why_judges_what_still_waits_as_of_now_and_sends_nothing(api, push_service, real_now):
    make.credential()
    make.no_quiet_hours()
    ada = make.profile("ada")
    later = (real_now + dt.timedelta(hours=2)).isoformat()
    body = {"to": "ada", "content": {"title": "Hello"}, "send_at": later}
    message = api("post", "/api/messages", body).json()["messages"][0]["id"]
    where = f"/api/profiles/ada/why?message={message}"
    first = api("get", where).json()
    assert (first["state"], first["allowed"], first["gates"][-1]["reason"]["code"]) == ("queued", False, "no_device")
    subscribed(push_service, [ada])
    second = api("get", where).json()
    assert (second["state"], second["allowed"], second["gates"][-1]["gate"]) == ("queued", True, "control")
    assert Message.objects.get().verdicts is None
    assert push_service.requests == []


def test_why_is_told_of_ones_own_messages_only(api):
    make.profile("ada")
    make.profile("bob")
    message = api("post", "/api/messages", {"to": "ada", "content": {"title": "Hello"}}).json()["messages"][0]["id"]
    assert api("get", f"/api/profiles/bob/why?message={message}").status_code == 404
    assert api("get", "/api/profiles/ada/why").status_code == 422
    assert api("get", "/api/profiles/nobody/why?message=x").status_code == 404


def test_a_profile_is_in_the_segments_whose_rules_it_meets_now(api, django_assert_max_num_queries):
    ada = make.profile("ada", attributes={"plan": "pro"})
    everyone = make.segment({"everyone": True}, "Everyone")
    pro = make.segment({"attribute": "plan", "kind": "string", "op": "=", "value": "pro"}, "Pro")
    make.segment({"attribute": "plan", "kind": "string", "op": "=", "value": "trial"}, "Trial")
    make.segment({"nonsense": 1}, "A broken one")
    with django_assert_max_num_queries(10):
        said = api("get", "/api/profiles/ada/segments").json()
    assert said == {
        "results": [{"id": everyone.pk, "name": "Everyone"}, {"id": pro.pk, "name": "Pro"}],
        "complete": True,
    }
    ada.attributes = {"plan": "trial"}
    ada.save()
    assert [one["name"] for one in api("get", "/api/profiles/ada/segments").json()["results"]] == ["Everyone", "Trial"]


def test_only_the_first_hundred_segments_are_asked_and_it_is_said(api):
    make.profile("ada")
    for number in range(101):
        make.segment({"everyone": True}, f"Segment {number:03}")
    said = api("get", "/api/profiles/ada/segments").json()
    assert (len(said["results"]), said["complete"]) == (100, False)
