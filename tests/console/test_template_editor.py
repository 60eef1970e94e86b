"""Writing a message: drafts, versions, previews of real people, and problems beside the field."""

import pytest
from django.contrib.auth.models import User

from audiences.models import AttributeName, EventName
from campaigns.models import MessageTemplate
from tests import make

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
