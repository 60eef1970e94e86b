"""Writing a message: drafts, versions, previews of real people, and problems beside the field."""

import datetime as dt
import json

import pytest
from django.contrib.auth.models import User

from audiences.models import AttributeName, EventName
from campaigns.models import MessageTemplate
from tests import make
from tests.delivery.sending import drain, planned, states, subscribed

pytestmark = pytest.mark.django_db

WRITTEN = {
    "name": "Cart",
    "title": "Hi {{ profile.first_name | default: 'there' }}",
    "body": "{{ last['Product Added'].name | default: 'Your pick' }} waits for you.",
    "url": "https://shop.example/cart",
    "ttl_number": "12",
    "ttl_unit": "hour",
    "urgency": "high",
    "button1-title": "Open",
    "button1-url": "https://shop.example/",
}


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_superuser("anna", password="x"))
    return client


def test_a_draft_is_saved_and_not_published(staff):
    staff.post("/console/templates/new/", WRITTEN | {"save": "1"})
    saved = MessageTemplate.objects.get()
    assert saved.content() | {"must_arrive": False} == saved.content()
    assert (saved.ttl_seconds, saved.urgency, saved.latest()) == (43_200, "high", None)
    assert saved.actions == [{"action": "button1", "title": "Open", "url": "https://shop.example/"}]


def test_publishing_freezes_a_version_and_an_unchanged_draft_keeps_it(staff):
    for _ in range(2):
        staff.post(
            "/console/templates/new/" if not MessageTemplate.objects.exists() else edit_url(),
            WRITTEN | {"publish": "1"},
        )
    assert MessageTemplate.objects.get().latest().number == 1
    staff.post(edit_url(), WRITTEN | {"title": "New words", "publish": "1"})
    assert MessageTemplate.objects.get().latest().number == 2


def edit_url():
    return f"/console/templates/{MessageTemplate.objects.get().pk}/edit/"


def test_publishing_refuses_a_field_without_fallback_beside_the_field(staff):
    page = staff.post("/console/templates/new/", WRITTEN | {"title": "Hi {{ profile.first_name }}", "publish": "1"})
    assert page.status_code == 400
    beside = page.content.decode().split('id="problems-title"')[1][:400]
    assert "default" in beside
    assert MessageTemplate.objects.get().latest() is None


def test_what_was_refused_is_mended_on_the_same_page_and_published(staff):
    refused = staff.post("/console/templates/new/", WRITTEN | {"title": "Hi {{ profile.first_name }}", "publish": "1"})
    form = refused.content.decode().split('id="template-form"')[0].rpartition("<form")[2]
    assert f'action="{edit_url()}"' in form
    staff.post(edit_url(), WRITTEN | {"publish": "1"})
    assert MessageTemplate.objects.get().latest().number == 1


def test_where_a_problem_is_is_said_once(staff):
    make.profile()
    page = previewed(staff, title="Hi {{ profile.x }}")
    assert page.count("(line 1, column 4)") == 1
    assert "at character" not in page


def test_the_preview_leaves_alone_what_only_saving_looks_at(staff):
    make.profile()
    assert 'id="problems-title"' in previewed(staff, title="Hi {{ profile.x }}")
    assert 'id="problems-name"' not in previewed(staff, title="Hi {{ profile.x }}")


def test_a_page_on_which_nothing_is_written_has_nothing_wrong(staff):
    make.profile()
    page = previewed(staff, title="", body="", url="", **{"button1-title": "", "button1-url": ""})
    assert "Write a title" in page
    assert "hd-problem" not in page and "Would not be sent" not in page


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"name": ""}, "name", "Give it a name"),
        ({"ttl_number": "soon"}, "ttl", "Give a whole number"),
    ],
)
def test_what_cannot_be_saved_says_so_beside_the_field(staff, change, field, words):
    page = staff.post("/console/templates/new/", WRITTEN | change)
    assert page.status_code == 400
    assert words in page.content.decode().split(f'id="problems-{field}"')[1][:300]
    assert not MessageTemplate.objects.exists()


def previewed(staff, **values):
    return staff.post("/console/templates/preview/", WRITTEN | values).content.decode()


def test_the_preview_shows_what_a_real_person_would_see(staff, real_now):
    person = make.profile("p-1", attributes={"first_name": "Ada"})
    make.event(person, "Product Added", at=real_now, name="Gas stove")
    page = previewed(staff, who="p-1")
    assert "Hi Ada" in page
    assert "Gas stove waits for you." in page
    assert "of 3993 bytes" in page
    assert not MessageTemplate.objects.exists()


def test_the_preview_finds_the_edge_cases(staff, now):
    long = make.profile(attributes={"first_name": "Maximiliana Theodora"})
    make.profile(attributes={"first_name": "Al"})
    make.profile("nameless")
    assert long.attributes["first_name"] in previewed(staff, case="longest")
    assert "Hi there" in previewed(staff, case="missing")
    assert "Your pick waits" in previewed(staff, case="never")
    assert "There is no profile" in previewed(staff, who="nobody")
    assert "There is no profile" in previewed(staff, who="9" * 30)


def test_a_message_that_would_be_held_back_says_why(staff):
    make.profile("p-1")
    assert "Would not be sent" in previewed(staff, who="p-1", title="Hi {{ profile.first_name }}")


def test_a_broken_template_is_a_problem_and_no_error(staff):
    make.profile("p-1")
    page = previewed(staff, who="p-1", title="Hi {{ profile.first_name | default: 'x' ")
    assert "hd-problem" in page
    assert previewed(staff, title="")
    assert previewed(staff, title="{% for %}{{", body="{{ 'a' | date: '%9999999d' }}")


def test_what_people_are_called_is_shown_inert(staff, now):
    bad = "<script>alert(1)</script>"
    make.profile("p-1", attributes={"first_name": bad})
    AttributeName.objects.create(name=bad, kinds={}, last_seen_at=now)
    EventName.objects.create(name=bad, properties={bad: {}}, first_seen_at=now, last_seen_at=now)
    assert bad not in previewed(staff, who="p-1")
    assert bad not in staff.get("/console/templates/new/").content.decode()


def test_a_field_to_insert_comes_with_a_fallback(staff, now):
    AttributeName.objects.create(name="first_name", kinds={}, last_seen_at=now)
    EventName.objects.create(name="Product Added", properties={"name": {}}, first_seen_at=now, last_seen_at=now)
    page = staff.get("/console/templates/new/").content.decode()
    assert "{{ profile.first_name | default: &#x27;…&#x27; }}" in page
    assert "{{ last[&#x27;Product Added&#x27;].name | default: &#x27;…&#x27; }}" in page


def test_writing_is_for_those_who_may(client):
    client.force_login(User.objects.create_user("bob", password="x", is_staff=True))
    assert client.get("/console/templates/new/").status_code == 403
    assert client.post("/console/templates/preview/").status_code == 403


APPS = {
    "android-channel": "offers",
    "android-color": "#0b6470",
    "ios-subtitle": "For {{ profile.first_name | default: 'you' }}",
    "ios-badge": "3",
    "ios-relevance_score": "0.5",
    "ios-interruption_level": "time-sensitive",
    "ios-mutable_content": "on",
    "ios-priority": "",
}


def test_what_apps_know_is_kept_with_its_types_and_published(staff):
    staff.post("/console/templates/new/", WRITTEN | APPS | {"publish": "1"})
    kept = MessageTemplate.objects.get().latest().options
    assert kept == {
        "android": {"channel": "offers", "color": "#0b6470"},
        "ios": {
            "subtitle": APPS["ios-subtitle"],
            "badge": 3,
            "relevance_score": 0.5,
            "interruption_level": "time-sensitive",
            "mutable_content": True,
        },
    }
    page = staff.get(edit_url()).content.decode()
    assert 'name="ios-badge" value="3"' in page
    assert 'name="ios-mutable_content" checked' in page
    staff.post(edit_url(), WRITTEN | {"publish": "1"})
    assert MessageTemplate.objects.get().options == {}


def test_what_does_not_fit_an_app_is_said_beside_its_field(staff):
    wrong = {"ios-badge": "many", "android-color": "red"}
    page = staff.post("/console/templates/new/", WRITTEN | wrong | {"publish": "1"})
    assert page.status_code == 400
    html = page.content.decode()
    assert "whole number" in html.split('id="problems-ios-badge"')[1][:300]
    assert "six digits" in html.split('id="problems-android-color"')[1][:300]
    assert 'value="many"' in html


def test_the_preview_shows_android_and_iphone_beside_chrome(staff):
    make.profile(attributes={"first_name": "Ada"})
    html = staff.post("/console/templates/preview/", WRITTEN | APPS).content.decode()
    for words in ("Chrome on a computer", "Android", "iPhone", "For Ada", "TIME SENSITIVE", "color: #0b6470"):
        assert words in html, words
    assert "Android: " in html
    assert "of 4096 bytes" in html
    hostile = {"android-color": "red;background:url(https://evil.example)"}
    html = staff.post("/console/templates/preview/", WRITTEN | hostile).content.decode()
    assert "style=" not in html
    assert "Colour: red" in html


DATA = "count = 3\nnew = true\nproduct = {{ last['Product Added'].id | default: 'none' }}\nscreen = cart\nsince = 007"


def test_values_for_an_app_are_one_a_line_with_their_types_and_come_back_as_they_were_written(staff):
    staff.post("/console/templates/new/", WRITTEN | {"data": DATA, "publish": "1"})
    kept = MessageTemplate.objects.get().latest().data
    assert kept == {
        "screen": "cart",
        "product": "{{ last['Product Added'].id | default: 'none' }}",
        "count": 3,
        "since": "007",
        "new": True,
    }
    page = staff.get(edit_url())
    assert page.context["form"]["data"] == DATA
    preview = staff.post("/console/templates/preview/", WRITTEN | {"data": DATA})
    assert preview.status_code == 200


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("screen", "as name = value"),
        ("a b = 1", "as name = value"),
        ("a = 1\na = 2", "comes once"),
        ("product = {{ profile.product }}", "Add a fallback"),
    ],
)
def test_a_value_that_cannot_be_handed_over_is_said_beside_the_field(staff, data, words):
    page = staff.post("/console/templates/new/", WRITTEN | {"data": data, "publish": "1"})
    assert page.status_code == 400
    html = page.content.decode()
    assert words in html.split('id="problems-data"')[1][:400]
    assert data in html
    assert words in staff.post("/console/templates/preview/", WRITTEN | {"data": data}).content.decode()


@pytest.mark.parametrize("value", ["1e999", "NaN", "9" * 30, '"\\u0000"', '"\\ud800"', "[" * 5000, '{"a": 1'])
def test_what_no_device_could_read_as_a_value_stays_text(staff, value):
    staff.post("/console/templates/new/", WRITTEN | {"data": f"odd = {value}", "save": "1"})
    assert MessageTemplate.objects.get().data == {"odd": value}
    assert staff.get(edit_url()).context["form"]["data"] == f"odd = {value}"


EVERYTHING = WRITTEN | {
    "image": "https://shop.example/cart.jpg",
    "icon": "https://shop.example/icon.png",
    "collapse": "cart",
    "data": DATA,
    "android-channel": "offers",
    "android-sound": "chime",
    "android-badge": "2",
    "android-color": "#0b6470",
    "android-priority": "normal",
    "ios-subtitle": "For {{ profile.first_name | default: 'you' }}",
    "ios-sound": "chime.wav",
    "ios-badge": "3",
    "ios-category": "cart",
    "ios-thread": "offers",
    "ios-interruption_level": "time-sensitive",
    "ios-relevance_score": "0.8",
    "ios-priority": "low",
    "ios-mutable_content": "on",
}


@pytest.mark.django_db(transaction=True)
def test_all_that_is_set_in_the_editor_arrives_at_the_gateways(
    staff, fcm_service, apns_service, push_service, real_now
):
    make.no_quiet_hours()
    answer = staff.post("/console/templates/new/", EVERYTHING | {"publish": "1"})
    assert answer.status_code == 302, answer.context["problems"]
    make.credential(), make.fcm_credential(), make.apns_credential()
    person = make.profile(attributes={"first_name": "Ada"})
    make.device(person, gateway="fcm", address=fcm_service.token(1))
    make.device(person, gateway="apns", address=apns_service.token(1), app=make.APP)
    subscribed(push_service, [person])
    version = MessageTemplate.objects.get().latest()
    until = real_now + dt.timedelta(days=1)
    wave = planned([person], now=real_now, content_source="campaign", content_ref=version.pk, expires_at=until)
    drain()
    assert states(wave) == {"sent": 1}
    ((android,), (apple,), (web,)) = (one.requests for one in (fcm_service, apns_service, push_service))
    values = {"screen": "cart", "product": "none", "count": 3, "since": "007", "new": True}
    buttons = [{"action": "button1", "title": "Open", "url": "https://shop.example/"}]

    message = android["payload"]
    assert message["notification"] == {
        "title": "Hi Ada",
        "body": "Your pick waits for you.",
        "image": "https://shop.example/cart.jpg",
    }
    assert message["android"] == {
        "priority": "NORMAL",
        "ttl": "43200s",
        "collapse_key": "cart",
        "notification": {
            "channel_id": "offers",
            "sound": "chime",
            "color": "#0b6470",
            "notification_count": 2,
            "tag": "cart",
        },
    }
    assert json.loads(message["data"]["data"]) == values
    assert json.loads(message["data"]["actions"]) == buttons
    assert message["data"]["url"] == "https://shop.example/cart"

    payload, headers = apple["payload"], apple["headers"]
    assert payload["aps"] == {
        "alert": {"title": "Hi Ada", "body": "Your pick waits for you.", "subtitle": "For Ada"},
        "sound": "chime.wav",
        "badge": 3,
        "category": "cart",
        "thread-id": "offers",
        "interruption-level": "time-sensitive",
        "relevance-score": 0.8,
        "mutable-content": 1,
    }
    assert (headers["apns-priority"], headers["apns-collapse-id"]) == ("5", "cart")
    assert abs(int(headers["apns-expiration"]) - real_now.timestamp() - 43_200) < 60
    assert (payload["data"], payload["actions"], payload["image"]) == (
        values,
        buttons,
        message["notification"]["image"],
    )

    assert web["headers"]["topic"] == "cart"
    assert (web["payload"]["data"], web["payload"]["tag"]) == (values, "cart")
