"""Programs ask for messages: into the same ledger, past the same gates, pushed once a send and device."""

import datetime as dt
import subprocess
import sys

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audiences import statements
from audiences.identity import merge
from audiences.models import Device
from delivery import sweeper
from delivery.brought import InvalidContent, checked
from delivery.models import Cap, Message, MessageClass, Push, Send, SendingRules, Wave
from delivery.submission import Stopped, Submission, close_days, submit
from tests import make
from tests.delivery.sending import drain, reachable, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def site():
    make.credential()
    make.no_quiet_hours()


def asked(profiles, now, *, title="Your parcel is here", **values):
    return Submission(
        **{
            "profile_ids": [one.pk for one in profiles],
            "content_source": "content",
            "data": {"content": checked({"title": title, "url": "https://shop.example/o/1"}), "options": {}},
            "message_class": MessageClass.PROMOTIONAL,
            "due_at": now,
            "expires_at": now + dt.timedelta(hours=1),
            "asked_by": "a program",
            **values,
        }
    )


def test_content_that_a_program_brings_is_pushed_as_it_is(push_service, real_now):
    people = reachable(push_service, 2)
    (made,) = submit([asked(people, real_now)], now=real_now)
    assert set(made.messages) == {one.pk for one in people}
    drain()
    wave = Wave.objects.get(origin="api")
    assert states(wave) == {"sent": 2}
    payloads = [request["payload"] for request in push_service.requests]
    assert [(p["title"], p["url"]) for p in payloads] == [("Your parcel is here", "https://shop.example/o/1")] * 2
    assert Send.objects.get(public_id=made.public_id).asked_by == "a program"


def test_braces_in_brought_content_stay_braces(push_service, real_now):
    submit([asked(reachable(push_service, 1), real_now, title="{{ profile.name }}")], now=real_now)
    drain()
    assert push_service.requests[0]["payload"]["title"] == "{{ profile.name }}"


def test_two_sends_of_one_day_to_one_profile_both_go_out(push_service, real_now):
    people = reachable(push_service, 1)
    for number in (1, 2):
        submit([asked(people, real_now, title=f"Number {number}")], now=real_now)
    drain()
    assert Wave.objects.filter(origin="api").count() == 1
    assert sorted(request["payload"]["title"] for request in push_service.requests) == ["Number 1", "Number 2"]
    assert Push.objects.values("send_key").distinct().count() == 2


def test_two_profiles_that_become_one_within_a_send_are_pushed_once(push_service, real_now):
    one, other = reachable(push_service, 2)
    Device.objects.filter(profile=other).delete()
    submit([asked([one, other], real_now)], now=real_now)
    submit([asked([one], real_now, title="Another")], now=real_now)
    merge(other.pk, one.pk, now=real_now)
    drain()
    assert states(Wave.objects.get(origin="api")) == {"sent": 2, "suppressed(device_already_served)": 1}
    assert sorted(r["payload"]["title"] for r in push_service.requests) == ["Another", "Your parcel is here"]


def test_copies_of_different_sends_never_replace_each_other(push_service, real_now):
    people = reachable(push_service, 1)
    for _ in range(2):
        submit([asked(people, real_now, must_arrive=True)], now=real_now)
    drain()
    topics = {request["headers"].get("topic") for request in push_service.requests}
    assert len(topics) == 2 and None not in topics


def test_the_same_gates_judge_it_and_transactional_ones_pass_what_they_may(push_service, real_now):
    people = reachable(push_service, 1)
    Cap.objects.create(limit=0, hours=24)
    SendingRules.objects.update(global_holdout_percent=50, global_holdout_salt="everyone")
    submit([asked(people, real_now)], now=real_now)
    submit([asked(people, real_now, message_class=MessageClass.TRANSACTIONAL)], now=real_now)
    drain()
    by_class = dict(Message.objects.values_list("wave__message_class", "state"))
    assert by_class == {"promotional": "suppressed", "transactional": "sent"}


def test_the_global_holdout_is_told_nothing_promotional(push_service, real_now):
    people = reachable(push_service, 40)
    SendingRules.objects.update(global_holdout_percent=50)
    submit([asked(people, real_now)], now=real_now)
    submit([asked(people, real_now, message_class=MessageClass.TRANSACTIONAL)], now=real_now)
    arms = Message.objects.filter(wave__message_class="promotional").values_list("arm", flat=True)
    assert {"told", "global_holdout"} == set(arms)
    assert not Message.objects.filter(wave__message_class="transactional").exclude(arm="told").exists()


def test_a_send_for_later_waits_and_one_whose_time_is_over_expires(push_service, real_now):
    people = reachable(push_service, 2)
    submit([asked(people[:1], real_now, due_at=real_now + dt.timedelta(hours=1))], now=real_now)
    gone = asked(people[1:], real_now - dt.timedelta(hours=2), message_class=MessageClass.TRANSACTIONAL)
    submit([gone], now=real_now)
    drain()
    found = {(message.state, message.reason) for message in Message.objects.all()}
    assert found == {("queued", ""), ("expired", "expired")}
    assert not push_service.requests


def test_a_push_is_given_up_at_its_own_end_not_at_its_waves(push_service, real_now):
    people = reachable(push_service, 1)
    push_service.control(scripts={"0-device": ["429:120"]})
    submit([asked(people, real_now, expires_at=real_now + dt.timedelta(seconds=5))], now=real_now)
    drain()
    message = Message.objects.get()
    assert (message.state, message.reason) == ("rejected", "expired_in_retry")


def test_a_batch_of_sends_costs_a_handful_of_statements(real_now, monkeypatch):
    people = [make.profile() for _ in range(20)]
    submit([asked(people, real_now)], now=real_now)
    prepared, rows = [], statements.rows
    monkeypatch.setattr(statements, "rows", lambda *asked: prepared.append(asked) or rows(*asked))
    with CaptureQueriesContext(connection) as queries:
        submit([asked(people, real_now) for _ in range(20)], now=real_now)
    assert len([one for one in queries if "SAVEPOINT" not in one["sql"]]) + len(prepared) <= 6
    assert len(prepared) == 3
    assert Message.objects.count() == 420


def test_a_profile_that_is_not_there_has_no_message_and_one_named_twice_has_one(real_now):
    one = make.profile()
    (made,) = submit([asked([one, one], real_now, profile_ids=[one.pk, one.pk, 999_999])], now=real_now)
    assert list(made.messages) == [one.pk]


def test_a_day_is_closed_when_it_is_over_and_its_ledger_adds_up(push_service, real_now):
    people = reachable(push_service, 3)
    submit([asked(people, real_now)], now=real_now)
    drain()
    assert close_days(now=real_now) == 0
    sweeper.sweep()
    assert Wave.objects.get(origin="api").state == "running"
    assert close_days(now=real_now + dt.timedelta(days=3)) == 1
    sweeper.sweep()
    wave = Wave.objects.get(origin="api")
    assert (wave.state, wave.planned_count, states(wave)) == ("finished", 3, {"sent": 3})


def test_a_day_that_was_stopped_takes_no_more(real_now):
    people = [make.profile()]
    submit([asked(people, real_now)], now=real_now)
    Wave.objects.update(state=Wave.State.STOPPED)
    with pytest.raises(Stopped, match="stopped"):
        submit([asked(people, real_now)], now=real_now)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({}, "title"),
        ({"title": "   "}, "title"),
        ({"title": 5}, "title"),
        ({"title": "x" * 501}, "title"),
        ({"title": "Hi", "body": "x" * 3001}, "body"),
        ({"title": "Hi", "subtitle": "x"}, "subtitle"),
        ({"title": "Hi", "url": "http://shop.example/"}, "url"),
        ({"title": "Hi", "url": "javascript:alert(1)"}, "url"),
        ({"title": "Hi", "image": "https://shop@evil.example/"}, "image"),
        ({"title": "Hi", "ttl_seconds": -1}, "ttl_seconds"),
        ({"title": "Hi", "ttl_seconds": True}, "ttl_seconds"),
        ({"title": "Hi", "urgency": "very"}, "urgency"),
        ({"title": "Hi", "data": "x"}, "data"),
        ({"title": "Hi", "actions": "x"}, "actions"),
        ({"title": "Hi", "actions": [{"title": "a"}] * 3}, "actions"),
        ({"title": "Hi", "actions": [{"url": "/x"}]}, "actions/0/title"),
        ({"title": "Hi", "actions": [{"title": "Go", "url": "ftp://x"}]}, "actions/0/url"),
        ({"title": "Hi", "actions": ["Go"]}, "actions/0"),
    ],
)
def test_content_that_no_template_could_have_is_refused_by_its_field(content, field):
    with pytest.raises(InvalidContent) as refused:
        checked(content)
    assert refused.value.field == field


WITHOUT_CAMPAIGNS = """
import datetime as dt, sys
import console.settings as site
site.INSTALLED_APPS = [app for app in site.INSTALLED_APPS if app not in ("campaigns", "console")]
site.ROOT_URLCONF = "django.conf.urls"
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "campaigns":
            raise ImportError("campaigns was deleted")
sys.meta_path.insert(0, Gone())
import django
django.setup()
from delivery.models import MessageClass
from delivery.submission import Submission, submit
now = dt.datetime.now(dt.UTC)
submit([Submission(profile_ids=[int(sys.argv[1])], content_source="content", data={"content": {"title": "Alone"}},
                   message_class=MessageClass.LIFECYCLE, due_at=now, expires_at=now + dt.timedelta(hours=1))], now=now)
"""


def test_without_campaigns_a_program_still_submits_a_message(push_service, real_now, process_environment):
    (one,) = reachable(push_service, 1)
    subprocess.run(
        [sys.executable, "-c", WITHOUT_CAMPAIGNS, str(one.pk)], env=process_environment, check=True, timeout=60
    )
    drain()
    assert push_service.requests[0]["payload"]["title"] == "Alone"
