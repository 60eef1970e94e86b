"""Apps send messages over the REST API, and ask what became of them."""

import datetime as dt

import pytest

from campaigns.models import TemplateVersion
from console.api.keys import create_key
from delivery.content import collapse_key
from delivery.models import Message, MessageClass, Send, Wave
from delivery.receipts import Receipt, accept, receipt_token
from tests import make
from tests.console.test_api import caller
from tests.delivery.sending import drain, reachable, subscribed

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(redis_server):
    _, text = create_key("Shop", ["read", "send", "send:transactional"])
    return caller(text)


def hello(**values):
    return {"to": "ada", "content": {"title": "Hello"}, **values}


def test_a_message_by_template_and_data_arrives_and_its_status_says_so(api, push_service, real_now, transactional_db):
    make.credential()
    make.no_quiet_hours()
    ada = make.profile("ada", attributes={"first_name": "Ada"})
    subscribed(push_service, [ada])
    make.version(
        name="Order shipped",
        title="{{ profile.first_name | default: 'You' }}: {{ event.order | default: 'your order' }} is on its way",
        url="/orders/{{ event.order | url_encode | default: '' }}",
    )
    sent = api(
        "post",
        "/api/messages",
        {"to": ["ada", "nobody"], "template": "Order shipped", "data": {"order": "A 17"}, "class": "transactional"},
    )
    assert sent.status_code == 202
    answer = sent.json()
    assert (answer["unknown"], [one["external_id"] for one in answer["messages"]]) == (["nobody"], ["ada"])
    drain()
    payload = push_service.requests[0]["payload"]
    assert (payload["title"], payload["url"]) == ("Ada: A 17 is on its way", "/orders/A+17")
    accept(
        [
            Receipt(payload["push"], kind, receipt_token(payload["push"], Message.objects.get().wave_on))
            for kind in ("shown", "clicked")
        ],
        now=real_now + dt.timedelta(minutes=1),
    )
    status = api("get", f"/api/messages/{answer['messages'][0]['id']}").json()
    assert (status["state"], status["class"], status["send"], status["reason"]) == (
        "sent",
        "transactional",
        answer["id"],
        None,
    )
    assert all(gate["allowed"] for gate in status["gates"]) and status["gates"][0]["gate"] == "duplicate"
    (push,) = status["pushes"]
    assert (push["state"], push["gateway"], push["status"]) == ("sent", "webpush", "201")
    assert set(push["receipts"]) == {"shown", "clicked"}
    assert api("get", f"/api/messages?send={answer['id']}").json()["results"] == [status]
    assert api("get", "/api/profiles/ada/messages").json()["results"] == [status]


def test_what_was_held_back_says_why_in_code_words_and_values(api, push_service, real_now, transactional_db):
    make.credential()
    make.no_quiet_hours()
    make.profile("ada")
    message = api("post", "/api/messages", hello()).json()["messages"][0]["id"]
    drain()
    status = api("get", f"/api/messages/{message}").json()
    assert status["state"] == "suppressed"
    assert status["reason"] == {"code": "no_device", "words": "Has no device"}
    assert status["gates"][-1]["allowed"] is False


def test_what_programs_ask_for_is_on_record_with_who_asked(api):
    ada, topic = make.profile("ada"), make.topic("orders")
    at = (dt.datetime.now(dt.UTC) + dt.timedelta(days=3)).replace(microsecond=0)
    body = hello(
        topic="orders", send_at=at.isoformat(), expires_in=600, must_arrive=True, platform={"ios": {"badge": 3}}
    )
    answer = api("post", "/api/messages", body | {"class": "transactional"}).json()
    message = Message.objects.select_related("wave__topic").get()
    wave, send = message.wave, Send.objects.get()
    assert (wave.topic, wave.message_class, wave.must_arrive, wave.wave_on) == (topic, "transactional", True, at.date())
    assert (message.profile_id, message.due_at, message.expires_at) == (ada.pk, at, at + dt.timedelta(seconds=600))
    assert message.data == {"content": {"title": "Hello"}, "options": {"ios": {"badge": 3}}}
    assert send.asked_by.startswith("API key Shop")
    assert answer["id"] == str(send.public_id)
    assert answer["due_at"] == at.isoformat().replace("+00:00", "Z")


def test_two_names_of_one_profile_are_one_message(api):
    from audiences.identity import merge

    ada, old = make.profile("ada"), make.profile("old")
    merge(ada.pk, old.pk, now=make.NOW)
    answer = api("post", "/api/messages", hello(to=["ada", "old"])).json()
    assert len({one["id"] for one in answer["messages"]}) == 1
    assert Message.objects.count() == 1


def test_a_template_sends_its_latest_published_version(api):
    make.profile("ada")
    draft = make.template(name="Draft")
    assert api("post", "/api/messages", {"to": "ada", "template": "Draft"}).json()["pointer"] == "/template"
    version = make.version(draft, must_arrive=True)
    TemplateVersion.objects.create(
        template=draft, number=2, published_at=make.NOW, **{**draft.content(), "must_arrive": True}
    )
    assert api("post", "/api/messages", {"to": "ada", "template": draft.pk}).status_code == 202
    wave = Wave.objects.get()
    assert wave.content_ref == version.pk + 1 and wave.must_arrive


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({}, 422, "required", "/to"),
        (hello(to=[]), 422, "min_length", "/to"),
        (hello(to=[f"p-{n}" for n in range(101)]), 422, "max_length", "/to"),
        (hello(to=["nobody"]), 422, "invalid", "/to"),
        (hello(template="x"), 422, "invalid", "/template"),
        ({"to": "ada"}, 422, "invalid", ""),
        (hello(data={"a": 1}), 422, "invalid", "/data"),
        (hello(content={"title": ""}), 422, "invalid", "/content/title"),
        (hello(content={"title": "Hi", "url": "http://x.example/"}), 422, "invalid", "/content/url"),
        (hello(content={"title": "Hi", "subtitle": "x"}), 422, "invalid", "/content/subtitle"),
        (hello(content={"title": "Hi", "body": "x" * 3100}), 422, "invalid", "/content/body"),
        (hello(content="Hello"), 422, "not_a_dict", "/content"),
        (hello(send_at="2026-11-25T10:00:00"), 422, "invalid", "/send_at"),
        (hello(send_at="2999-11-25T10:00:00Z"), 422, "invalid", "/send_at"),
        (hello(expires_in=0), 422, "min_value", "/expires_in"),
        (hello(expires_in=28 * 86_400 + 1), 422, "max_value", "/expires_in"),
        (hello(topic="nope"), 422, "invalid", "/topic"),
        (hello(**{"class": "urgent"}), 422, "invalid_choice", "/class"),
        (hello(platform={"windows": {}}), 422, "invalid", "/platform/windows"),
        (hello(platform={"ios": 3}), 422, "invalid", "/platform/ios"),
        (hello(platform={"ios": {"badge": "x"}}), 422, "invalid", "/platform/ios/badge"),
        (hello(platform={"android": {"chanel": "x"}}), 422, "invalid", "/platform/android/chanel"),
        (hello(platform={"ios": {"x": "y" * 5000}}), 422, "invalid", "/platform"),
        (hello(wave=3), 400, "unknown_field", "/wave"),
        (hello(state="sent"), 400, "unknown_field", "/state"),
        (hello(occurrence=1, asked_by="me"), 400, "unknown_field", "/asked_by"),
    ],
)
def test_what_cannot_be_sent_is_refused_beside_its_field(api, body, status, code, pointer):
    make.profile("ada")
    response = api("post", "/api/messages", body)
    problem = response.json()
    assert (response.status_code, problem["code"], problem.get("pointer", "")) == (status, code, pointer), problem
    assert problem["detail"]
    assert not Message.objects.exists()


def test_transactional_messages_need_a_right_of_their_own(redis_server):
    make.profile("ada")
    send, transactional, write = (
        caller(create_key(scope, [scope])[1]) for scope in ("send", "send:transactional", "write")
    )
    assert send("post", "/api/messages", hello()).status_code == 202
    refused = send("post", "/api/messages", hello(**{"class": "transactional"}))
    assert (refused.status_code, "send:transactional" in refused.json()["detail"]) == (403, True)
    assert transactional("post", "/api/messages", hello(**{"class": "transactional"})).status_code == 202
    assert transactional("post", "/api/messages", hello()).status_code == 403
    assert write("post", "/api/messages", hello()).status_code == 403
    assert send("get", "/api/messages").status_code == 403
    assert set(Message.objects.values_list("wave__message_class", flat=True)) == set(MessageClass.values) - {
        "lifecycle"
    }


def test_sending_has_a_rate_of_its_own(api, monkeypatch):
    from console.tracking import rates

    make.profile("ada")
    monkeypatch.setitem(rates.RATES, "send", (1.0, 2.0))
    answers = [api("post", "/api/messages", hello()).status_code for _ in range(4)]
    assert answers[:2] == [202, 202] and answers[-1] == 429
    assert api("get", "/api/messages").status_code == 200


def test_messages_are_listed_by_profile_state_and_time_page_by_page(api, real_now, django_assert_max_num_queries):
    wave = make.wave(wave_on=real_now.date(), origin=make.campaign(name="Autumn").origin)
    ada, bob = make.profile("ada"), make.profile("bob")
    for number in range(5):
        state = "sent" if number % 2 else "suppressed"
        planned = real_now - dt.timedelta(hours=number)
        make.message(wave, ada, occurrence=number, state=state, planned_at=planned)
    make.message(wave, bob, planned_at=real_now)
    with django_assert_max_num_queries(12):
        first = api("get", "/api/messages?external_id=ada&limit=3").json()
    assert len(first["results"]) == 3
    assert first["results"][0]["campaign"]["name"] == "Autumn"
    assert len(api("get", first["next"]).json()["results"]) == 2
    assert {one["state"] for one in api("get", "/api/messages?state=sent").json()["results"]} == {"sent"}
    after = (real_now - dt.timedelta(minutes=90)).isoformat().replace("+00:00", "Z")
    assert len(api("get", f"/api/messages?after={after}").json()["results"]) == 3
    assert len(api("get", f"/api/profiles/bob/messages?before={after}").json()["results"]) == 0
    only = api("get", "/api/messages?external_id=bob&fields=state,external_id").json()["results"]
    assert only == [{"external_id": "bob", "state": "queued"}]
    assert api("get", "/api/messages?state=lost").status_code == 422


@pytest.mark.parametrize("name", ["msg_b4f2a_1", "msg_", "1", "msg_fffff9_1", "x" * 300, "msg_0_0"])
def test_a_message_that_is_not_there_is_not_found(api, name):
    assert api("get", f"/api/messages/{name}").status_code == 404
    assert api("get", "/api/messages?send=nope").status_code == 404


def test_the_messages_of_a_profile_include_those_planned_before_a_merge(api, real_now):
    from audiences.identity import merge

    wave = make.wave(wave_on=real_now.date())
    ada, old = make.profile("ada"), make.profile("old")
    make.message(wave, old, planned_at=real_now)
    merge(ada.pk, old.pk, now=make.NOW)
    assert len(api("get", "/api/profiles/ada/messages").json()["results"]) == 1
    assert len(api("get", "/api/messages?external_id=old").json()["results"]) == 1


def test_sends_of_an_unreachable_redis_are_kept_all_the_same(api, settings, transactional_db, monkeypatch):
    import redis

    from delivery import tasks

    def away():
        raise redis.ConnectionError

    monkeypatch.setattr(tasks, "hint_due", away)
    make.profile("ada")
    assert api("post", "/api/messages", hello()).status_code == 202
    assert Message.objects.get().state == "queued"


def test_reachable_devices_of_one_send_get_one_push_each(api, push_service, real_now, transactional_db):
    make.credential()
    make.no_quiet_hours()
    people = reachable(push_service, 3)
    for one in people:
        one.identifiers.create(kind="user", value=one.external_id)
    said = hello(to=[one.external_id for one in people])
    said["content"]["tag"] = "order 17"
    answer = api("post", "/api/messages", said).json()
    drain()
    states = api("get", f"/api/messages?send={answer['id']}").json()["results"]
    assert [one["state"] for one in states] == ["sent"] * 3
    assert len(push_service.requests) == 3
    assert {one["headers"]["topic"] for one in push_service.requests} == {collapse_key("order 17")}
    assert {one["payload"]["tag"] for one in push_service.requests} == {"order 17"}


def test_the_options_of_a_platform_reach_what_is_pushed_with_a_template_too(api, real_now):
    from delivery.content import Rendering, source_named

    make.profile("ada")
    make.version(name="Shipped", title="{{ event.order | default: 'It' }} is on its way")
    ios = {"ios": {"badge": 3}}
    api("post", "/api/messages", {"to": "ada", "template": "Shipped", "data": {"order": "A 17"}, "platform": ios})
    message = Message.objects.get()
    batch = [Rendering(message.pk, message.profile_id, message.data), Rendering(0, message.profile_id, None)]
    with_data, without = source_named("template").render(message.wave, batch, now=real_now)
    assert (with_data.fields["title"], with_data.options) == ("A 17 is on its way", ios)
    assert (without.fields["title"], without.options) == ("It is on its way", {})
