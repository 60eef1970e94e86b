"""What happens is told to endpoints: each event once a batch, signed, with ids and codes only."""

import datetime as dt
import threading
import time

import pytest
from django.db import connection, transaction

from audiences import consent, devices
from audiences.consent import NewChoice
from audiences.models import Decision, Device
from campaigns.tasks import close_finished
from console.models import WebhookCursor, WebhookDelivery
from console.webhooks import endpoints, gathering
from delivery import sweeper
from delivery.models import Message, MessageClass
from delivery.receipts import Receipt, accept, receipt_token
from delivery.submission import Submission, submit
from tests import make
from tests.delivery.sending import drain, plain, planned, reachable

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def site():
    make.credential()
    make.no_quiet_hours()
    plain.refuse.clear()


def kinds_of(events):
    return [event["type"] for event in events]


def test_the_life_of_a_message_is_told_from_sent_to_clicked(push_service, receiver, listening, tell, real_now):
    _, secret = listening()
    (ada,) = reachable(push_service, 1)
    tell()
    receiver.received.clear()  # that its device was registered
    (made,) = submit(
        [
            Submission(
                profile_ids=[ada.pk],
                content_source="content",
                data={"content": {"title": "A secret title"}},
                message_class=MessageClass.TRANSACTIONAL,
                due_at=real_now,
                expires_at=real_now + dt.timedelta(hours=1),
            )
        ],
        now=real_now,
    )
    drain()
    tell()
    payload = push_service.requests[0]["payload"]
    token = receipt_token(payload["push"], Message.objects.get().wave_on)
    for kind in ("shown", "shown", "clicked"):
        accept([Receipt(payload["push"], kind, token)], now=real_now + dt.timedelta(minutes=1))
        tell()
    events = receiver.events()
    assert kinds_of(events) == ["message.sent", "message.delivered", "message.clicked"]
    sent, delivered, _ = (event["data"] for event in events)
    assert (sent["message"], sent["external_id"]) == (Message.objects.get().public_id, ada.external_id)
    assert (sent["send"], sent["class"], sent["state"]) == (str(made.public_id), "transactional", "sent")
    device = Device.objects.get()
    assert (delivered["push"], delivered["device"]) == (payload["push"], str(device.public_id))
    assert all(one.is_genuine(secret) and not one.is_genuine(secret + "x") for one in receiver.received)
    assert not any(b"secret title" in one.body for one in receiver.received)


def test_what_was_held_back_or_failed_says_why(push_service, receiver, listening, tell, real_now):
    listening("message.failed", "message.held_back")
    people = reachable(push_service, 3)
    push_service.control(scripts={"0-device": ["410"], "1-device": ["201"]})
    plain.refuse.add(people[2].pk)
    planned(people, now=real_now)
    drain()
    tell()
    found = {event["data"]["external_id"]: (event["type"], event["data"]["reason"]) for event in receiver.events()}
    assert found == {
        people[0].external_id: ("message.failed", "gone"),
        people[2].external_id: ("message.held_back", "missing_value"),
    }


def test_choices_and_devices_are_told(receiver, listening, tell, real_now):
    listening()
    ada, topic = make.profile("ada"), make.topic("deals")
    device = make.device(ada)
    tell()
    choice = {"profile_id": ada.pk, "topic_id": topic.pk, "source": "checkout", "text": "Private words"}
    consent.record([NewChoice(**choice, decision=Decision.IN)], now=real_now)
    consent.record([NewChoice(**choice | {"topic_id": None}, decision=Decision.OUT)], now=real_now)
    devices.set_permission("denied", keys=[], addresses=[device.address], now=real_now)
    tell()
    events = receiver.events()
    assert kinds_of(events) == ["device.registered", "choice.opted_in", "choice.opted_out", "device.unreachable"]
    assert [event["data"].get("topic") for event in events[1:3]] == ["deals", None]
    assert events[3]["data"]["reason"] == "no_permission"
    assert events[0]["data"]["device"] == events[3]["data"]["device"] == str(device.public_id)
    text = b"".join(one.body for one in receiver.received)
    assert b"Private words" not in text and device.address.encode() not in text


def test_being_seen_again_is_no_change_of_a_device(receiver, listening, tell, real_now):
    listening("device.registered")
    device = make.device(make.profile())
    tell()
    Device.objects.filter(pk=device.pk).update(last_seen_at=real_now, app_version="2")
    tell()
    assert len(receiver.events()) == 1


def test_a_campaign_that_has_gone_out_is_told_once(push_service, receiver, listening, tell, real_now):
    listening("campaign.finished")
    campaign = make.campaign(state="running")
    planned(reachable(push_service, 2), now=real_now, origin=campaign.origin, planned_count=2)
    drain()
    sweeper.sweep()
    close_finished()
    tell()
    tell()
    (event,) = receiver.events()
    assert event["data"] == {"campaign": campaign.pk, "state": "finished", "planned": 2}


def test_an_endpoint_is_told_its_kinds_only_and_only_what_happens_after_it_came(receiver, listening, tell):
    make.device(make.profile("early"))
    listening("device.registered", name="One", path="/one")
    make.device(make.profile("late"))
    listening("choice.opted_out", name="Other", path="/other")
    tell()
    assert [(one.path, one.events[0]["data"]["external_id"]) for one in receiver.received] == [("/one", "late")]


def test_nothing_is_read_or_written_where_nobody_listens(django_assert_num_queries, real_now):
    make.device(make.profile())
    with django_assert_num_queries(1):
        assert not gathering.anyone_listens()
    gathering.gather(now=real_now)
    assert not WebhookCursor.objects.exists() and not WebhookDelivery.objects.exists()


def test_one_look_costs_the_same_whatever_happened(listening, django_assert_max_num_queries, real_now):
    listening()
    for _ in range(30):
        make.device(make.profile())
    time.sleep(1.1)
    with django_assert_max_num_queries(24):
        assert gathering.gather(now=real_now) == 30


def test_a_thousand_events_travel_in_a_few_posts(receiver, listening, tell):
    listening("device.registered")
    ada = make.profile("ada")
    Device.objects.bulk_create(
        Device(
            profile=ada,
            gateway="webpush",
            address=f"https://fcm.googleapis.com/{n}",
            created_at=make.NOW,
            registered_at=make.NOW,
            last_seen_at=make.NOW,
        )
        for n in range(1000)
    )
    tell()
    assert len(receiver.received) == 4
    assert len({event["id"] for event in receiver.events()}) == 1000


def test_reading_goes_on_in_the_middle_of_one_moment(receiver, listening, tell, monkeypatch):
    """All rows of one statement have the same moment: the place among them is kept as well."""
    monkeypatch.setattr(gathering, "MOST_ROWS", 7)
    monkeypatch.setattr(gathering.gather, "__kwdefaults__", {"most": 7})
    listening("device.registered")
    ada = make.profile("ada")
    with transaction.atomic():
        for _ in range(20):
            make.device(ada)
    tell()
    assert len(receiver.events()) == 20 == len({event["id"] for event in receiver.events()})


def test_what_commits_late_is_not_missed(receiver, listening, tell):
    """A slow transaction's rows are older than what was read meanwhile, and are told all the same."""
    listening("device.registered")
    begun, go_on = threading.Event(), threading.Event()

    def slowly():
        with transaction.atomic():
            make.device(make.profile("slow"))
            begun.set()
            go_on.wait(20)
        connection.close()

    thread = threading.Thread(target=slowly)
    thread.start()
    assert begun.wait(20)
    make.device(make.profile("quick"))
    tell()
    told_before = [event["data"]["external_id"] for event in receiver.events()]
    go_on.set()
    thread.join()
    tell()
    told = [event["data"]["external_id"] for event in receiver.events()]
    assert told_before == []  # it waits, rather than pass the slow one by
    assert sorted(told) == ["quick", "slow"]


def test_what_is_gathered_survives_a_worker_that_dies_at_any_point(receiver, listening, tell, real_now):
    listening("device.registered")
    make.device(make.profile("ada"))
    time.sleep(0.05)
    with transaction.atomic():
        assert gathering.gather(now=real_now) == 1
        transaction.set_rollback(True)  # the worker dies before its commit
    assert not WebhookDelivery.objects.exists()
    tell()
    assert len(receiver.events()) == 1


def test_two_who_look_at_once_tell_once(listening, real_now):
    listening("device.registered")
    make.device(make.profile())
    time.sleep(1.1)
    counts = []

    def look():
        counts.append(gathering.gather(now=real_now))
        connection.close()

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 1 == WebhookDelivery.objects.count()


def test_an_endpoint_that_comes_back_is_not_told_of_the_time_when_it_was_off(receiver, listening, tell, real_now):
    endpoint, _ = listening("device.registered")
    endpoints.disable(endpoint, reason="", now=real_now)
    make.device(make.profile("meanwhile"))
    tell()
    endpoints.enable(endpoint)
    make.device(make.profile("later"))
    tell()
    assert [event["data"]["external_id"] for event in receiver.events()] == ["later"]
