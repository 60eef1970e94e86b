"""A web host whose clock is an hour wrong: what people choose, and what starts now, has PostgreSQL's time all the same."""

import datetime as dt
import json

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audiences import preference_links
from audiences.consent import NewChoice, record
from audiences.database_clock import database_now
from audiences.identity import merge
from audiences.models import Choice, ConsentEntry, Decision, Device
from campaigns.models import Campaign
from console.api.keys import create_key
from delivery.models import Wave
from tests import make
from tests.console.test_campaign_pages import answers
from tests.console.test_tracking_devices import arrival

pytestmark = pytest.mark.django_db
HOUR, MINUTE = dt.timedelta(hours=1), dt.timedelta(minutes=1)


@pytest.fixture(params=[HOUR, -HOUR], ids=["ahead", "behind"])
def wrong_host(request, real_now, redis_server):
    """This process is the web host. Its clock goes on, an hour away from PostgreSQL's."""
    with time_machine.travel(real_now + request.param):
        yield request.param


def post(path, data, **headers):
    answer = Client().post(path, json.dumps(data), content_type="application/json", headers=headers)
    assert answer.status_code < 300, answer.content
    return answer


def leave(owner):
    client = Client()
    client.get("/p/" + preference_links.token(owner.pk, now=database_now()))
    assert client.post("/preferences", {"deed": "leave"}).status_code == 303


def leave_in_one_click(owner):
    assert Client().post(f"/p/{preference_links.token(owner.pk, now=database_now())}/opt-out").status_code == 200


def leave_elsewhere(owner):
    _, key = create_key("tests", ["admin"])
    said = {"external_id": owner.external_id, "decision": "out", "source": "checkout"}
    post("/api/choices", said, Authorization=f"Bearer {key}")


def allow_in_a_browser(owner):
    make.source("browser", key="browser-key")
    post("/v1/devices", arrival())


def allow_in_an_app(owner):
    make.source("mobile", key="mobile-key")
    device = {"token": "fMEP0vJqS6:APA91b" + "x" * 120, "type": "android", "id": "phone", "permission": "granted"}
    call = {"type": "track", "event": "Opened", "anonymousId": "one", "context": {"device": device}}
    post("/v1/batch", {"writeKey": "mobile-key", "batch": [call]})


def allow_through_the_api(owner):
    _, key = create_key("tests", ["admin"])
    said = {
        "external_id": owner.external_id,
        "gateway": "fcm",
        "address": "fMEP0vJqS6:APA91b" + "y" * 120,
        "permission": "granted",
        "consent": {"text": "May we?"},
    }
    post("/api/devices", said, Authorization=f"Bearer {key}")


@pytest.mark.parametrize(
    "deed",
    [leave, leave_in_one_click, leave_elsewhere, allow_in_a_browser, allow_in_an_app, allow_through_the_api],
)
def test_a_choice_and_its_record_have_the_databases_time_which_is_asked_once(wrong_host, deed):
    owner = make.profile("ada")
    before = database_now()
    with CaptureQueriesContext(connection) as queries:
        deed(owner)
    after = database_now()
    entry, choice = ConsentEntry.objects.get(), Choice.objects.get()
    assert before <= entry.at <= after
    assert before <= choice.changed_at <= after
    if choice.decision == "out":
        assert before <= choice.out_at <= after
    if deed is not leave:  # two requests, and the link's own time
        asked = [query for query in queries if "clock_timestamp()" in query["sql"]]
        assert len(asked) == (2 if deed is leave_in_one_click else 1)
    if device := Device.objects.first():
        assert before <= device.registered_at <= after


@pytest.mark.parametrize("deed", [leave, leave_in_one_click, leave_elsewhere])
def test_an_opt_out_is_never_overruled_by_an_older_grant_of_the_same_person(wrong_host, deed):
    person, visitor = make.profile("ada"), make.anonymous()
    granted = NewChoice(profile_id=visitor.pk, topic_id=None, decision=Decision.IN, source="browser permission")
    record([granted], now=database_now() - MINUTE)
    deed(person)
    merge(person.pk, visitor.pk, now=database_now())
    assert Choice.objects.get(profile=person).decision == "out"


@pytest.fixture
def console(wrong_host):
    client = Client()
    client.force_login(User.objects.create_superuser("olive"))
    return client


def launched(console, **said):
    console.post(reverse("console:campaigns_campaign_add"), answers(**said))
    made = Campaign.objects.get()
    console.post(reverse("console:campaign_launch", args=[made.pk]))
    made.refresh_from_db()
    return made


@pytest.fixture
def ready():
    make.device(make.profile())
    make.credential()


def test_a_campaign_that_is_launched_now_is_due_at_once_and_no_earlier(console, ready):
    before = database_now()
    made = launched(console)
    after = database_now()
    assert made.state == "scheduled"
    assert before <= made.launched_at <= made.scheduled_at <= after
    assert list(Campaign.objects.due(after)) == [made]


def test_a_start_half_an_hour_from_now_is_neither_past_nor_moved(console, ready):
    start = (database_now() + HOUR / 2).replace(second=0, microsecond=0)
    made = launched(console, start="later", start_at=f"{start:%Y-%m-%dT%H:%M}", start_zone="UTC")
    assert (made.state, made.scheduled_at) == ("scheduled", start)


def test_what_is_paused_resumed_and_stopped_has_the_databases_time(console, ready):
    made = launched(console)
    make.wave(origin=made.origin, state=Wave.State.PAUSED, due_at=database_now(), wave_on=database_now().date())
    Campaign.objects.update(state="paused")
    before = database_now()
    console.post(reverse("console:campaign_deed", args=[made.pk, "resume"]))
    console.post(reverse("console:campaign_deed", args=[made.pk, "stop"]))
    after = database_now()
    made.refresh_from_db()
    assert before <= Wave.objects.get().running_at <= made.finished_at <= after


def test_a_program_that_sends_now_sends_now(wrong_host):
    make.profile("ada"), make.credential()
    _, key = create_key("tests", ["admin"])
    said = {"to": ["ada"], "class": "transactional", "content": {"title": "Your code", "body": "4711"}}
    before = database_now()
    answer = post("/api/messages", said, Authorization=f"Bearer {key}").json()
    due = dt.datetime.fromisoformat(answer["due_at"])
    assert before - dt.timedelta(seconds=1) <= due <= database_now()
