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
