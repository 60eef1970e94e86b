"""The page behind each push: choosing topics, leaving, and what a link may do."""

import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone

from audiences import preference_links
from audiences.models import Choice, ConsentEntry
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return make.profile()


def path_for(owner, *, age=dt.timedelta()):
    return "/p/" + preference_links.token(owner.pk, now=timezone.now() - age)


def entered(owner, **kwargs):
    client = Client()
    assert client.get(path_for(owner, **kwargs)).status_code == 303
    return client


def test_the_link_leads_to_a_clean_address(owner):
    response = Client().get(path_for(owner))
    assert response["Location"] == "/preferences"
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "no-store"
    assert response["X-Robots-Tag"] == "noindex"


@pytest.mark.parametrize("method", ["get", "head"])
def test_reading_never_changes_anything(owner, method):
    make.topic()
    client = Client()
    for _ in range(2):
        getattr(client, method)(path_for(owner))
        getattr(client, method)("/preferences")
        getattr(client, method)(path_for(owner) + "/opt-out")
    assert not ConsentEntry.objects.exists()


def test_unticking_a_topic_opts_out_of_it_alone(owner):
    offers, news = make.topic("offers"), make.topic("news")
    entered(owner).post("/preferences", {"deed": "save", f"topic-{news.pk}": "on"})
    assert {c.topic_id: c.decision for c in Choice.objects.all()} == {offers.pk: "out"}


def test_saving_what_stands_writes_nothing(owner):
    topic = make.topic()
    entered(owner).post("/preferences", {"deed": "save", f"topic-{topic.pk}": "on"})
    assert not ConsentEntry.objects.exists()


def test_leaving_all_and_coming_back(owner):
    client = entered(owner)
    client.post("/preferences", {"deed": "leave"})
    assert Choice.objects.get().decision == "out"
    client.post("/preferences", {"deed": "return"})
    assert Choice.objects.get().decision == "in"


def test_one_click_opt_out_needs_no_cookie_and_is_idempotent(owner):
    for _ in range(2):
        response = Client(enforce_csrf_checks=True).post(
            path_for(owner) + "/opt-out", {"List-Unsubscribe": "One-Click"}
        )
        assert response.status_code == 200
    assert ConsentEntry.objects.count() == 1


def test_an_old_link_still_opts_out_but_edits_nothing(owner):
    topic = make.topic()
    client = entered(owner, age=dt.timedelta(days=40))
    response = client.post("/preferences", {"deed": "save"})
    assert b"more than 30 days old" in response.content
    assert not Choice.objects.filter(topic=topic).exists()
    client.post("/preferences", {"deed": "leave"})
    assert Choice.objects.get().decision == "out"


def test_the_form_is_protected_against_other_sites(owner):
    client = Client(enforce_csrf_checks=True)
    client.get(path_for(owner))
    assert client.post("/preferences", {"deed": "leave"}).status_code == 403


def exhausted(owner, topic):
    """A client whose ten POSTs of this minute are used up, each of them from somewhere else as far as it says."""
    client = entered(owner)
    for number in range(60):
        answer = client.post(
            "/preferences",
            {"deed": "save", f"topic-{topic.pk}": "on"},
            headers={"X-Forwarded-For": f"203.0.113.{number}"},
            REMOTE_ADDR=f"198.51.100.{number}",
        )
        assert answer.status_code == 303 if number < 10 else answer.status_code in (303, 429)
        if answer.status_code == 429:
            return client, answer
    raise AssertionError("sixty at once were taken")


def test_more_than_ten_posts_a_minute_are_told_when_to_try_again_wherever_they_come_from(owner, redis_server):
    """S17."""
    client, refused = exhausted(owner, make.topic())
    seconds = int(refused["Retry-After"])
    assert 1 <= seconds <= 6
    html = refused.content.decode()
    assert f"Wait {seconds} second" in html
    assert "<script" not in html
    assert "default-src 'none'" in refused["Content-Security-Policy"]
    assert client.get("/preferences").status_code == 200
    assert not ConsentEntry.objects.exists()
    assert entered(make.profile()).post("/preferences", {"deed": "save"}).status_code == 303


@pytest.mark.parametrize("way", ["page", "topic", "one click"])
def test_an_opt_out_is_never_refused_however_often_somebody_posted(owner, redis_server, way):
    topic = make.topic()
    client, _ = exhausted(owner, topic)
    if way == "one click":
        answer = client.post(path_for(owner) + "/opt-out")
    else:
        answer = client.post("/preferences", {"deed": "leave" if way == "page" else "save"})
    assert answer.status_code in (200, 303)
    assert [(one.topic, one.decision) for one in Choice.objects.all()] == [(topic if way == "topic" else None, "out")]


def test_who_leaves_and_comes_back_without_end_is_stopped_once_they_have_left(owner, redis_server):
    client = entered(owner)
    statuses = [
        client.post("/preferences", {"deed": deed}).status_code for deed in [*["leave", "return"] * 30, "leave"]
    ]
    assert set(statuses) == {303, 429}
    assert ConsentEntry.objects.count() == 2 * statuses[1::2].count(303) + 1
    assert Choice.objects.get().decision == "out"


def test_a_one_click_opt_out_that_is_repeated_without_end_is_slowed_down(owner, redis_server):
    statuses = [Client().post(path_for(owner) + "/opt-out").status_code for _ in range(30)]
    assert statuses[:11] == [200] * 11
    assert 429 in statuses
    assert ConsentEntry.objects.count() == 1


@pytest.mark.parametrize("path", ["/p/x", "/p/1.1.k1.AAAA", "/p/" + "a" * 500])
def test_a_link_that_is_not_ours_is_not_found(path):
    assert Client().get(path).status_code == 404
    assert Client().post(path).status_code == 404


def test_a_token_speaks_for_its_own_profile_only(owner):
    other = make.profile()
    token = preference_links.token(owner.pk, now=timezone.now())
    _, _, rest = token.partition(".")
    forged = f"{preference_links._base36(other.pk)}.{rest}"
    refused = Client().get(f"/p/{forged}")
    assert refused.status_code == 404
    assert "Open the link in a notification" in refused.content.decode()  # and no way into the console


def test_the_link_of_an_absorbed_profile_speaks_for_the_survivor(owner):
    visitor = make.anonymous(merged_into=owner)
    entered(visitor).post("/preferences", {"deed": "leave"})
    assert Choice.objects.get().profile == owner


def test_the_page_has_the_strict_policy_and_names_no_other_host(owner):
    make.topic("offers", description="<b>bold</b>")
    response = entered(owner).get("/preferences")
    policy = response["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert b"&lt;b&gt;bold" in response.content
    assert b"<script" not in response.content
