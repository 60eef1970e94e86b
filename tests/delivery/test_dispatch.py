"""One batch from the claim to the record, against a real push service."""

import datetime as dt

import pytest

from audiences import consent, devices
from audiences.consent import NewChoice
from audiences.models import Decision, Device, Standing
from delivery import outbox
from delivery.dispatch import drain_batch
from delivery.models import Cap, Hold, Message, Push, SendingRules, Wave
from tests import make
from tests.delivery.sending import drain, plain, planned, pushes, reachable, sender, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def site(real_now):
    make.credential()
    make.no_quiet_hours()
    plain.refuse.clear()
    plain.rendered.clear()


def opted_out(profile, now, topic=None, decision=Decision.OUT):
    consent.record(
        [NewChoice(profile_id=profile.pk, topic_id=topic and topic.pk, decision=decision, source="test")], now=now
    )


def test_a_wave_is_sent_and_every_push_is_decrypted(push_service, real_now):
    people = reachable(push_service, 20)
    wave = planned(people, now=real_now)
    assert drain() == 20
    assert states(wave) == {"sent": 20}
    payloads = [request["payload"] for request in push_service.requests]
    assert sorted(p["body"] for p in payloads) == sorted(f"for {one.pk}" for one in people)
    assert {p["push"] for p in payloads} == {str(push.id) for push in pushes(wave)}
    assert all(p["manage"].startswith("http") and p["v"] == 1 for p in payloads)


def test_nothing_is_left_over_when_all_is_sent(push_service, real_now):
    planned(reachable(push_service, 3), now=real_now)
    drain()
    assert drain() == 0
    assert len(push_service.requests) == 3


def test_two_devices_of_a_profile_are_one_message_and_two_pushes(push_service, real_now):
    (person,) = reachable(push_service, 1)
    second = push_service.subscribe(1, first=1)[0]
    make.device(person, address=second.endpoint, p256dh=second.p256dh, auth=second.auth)
    wave = planned([person], now=real_now)
    drain()
    assert states(wave) == {"sent": 1}
    assert len(pushes(wave)) == 2


def test_who_is_held_out_passes_the_same_gates_and_is_never_sent_to(push_service, real_now):
    people = reachable(push_service, 3)
    plain.refuse.add(people[0].pk)
    wave = planned(people, now=real_now, arm="control", control_share=1000)
    drain()
    assert states(wave) == {"suppressed(missing_value)": 1, "held_out(control)": 2}
    assert Message.objects.filter(state="held_out", decided_at=None).count() == 0
    assert push_service.requests == []
    assert set(plain.rendered) == {one.pk for one in people}


def test_a_message_keeps_what_its_gates_compared(push_service, real_now):
    Cap.objects.create(limit=0, hours=24)
    wave = planned(reachable(push_service, 1), now=real_now)
    drain()
    message = Message.objects.get(wave=wave)
    assert (message.state, message.reason) == ("suppressed", "frequency_cap")
    assert message.verdicts[-1]["values"] == {"seen": 0, "cap": 0, "hours": 24}
    assert [v["gate"] for v in message.verdicts][:3] == ["duplicate", "profile", "running"]


def test_a_cap_holds_exactly_across_waves_and_two_workers(push_service, real_now):
    Cap.objects.create(limit=1, hours=24)
    people = reachable(push_service, 10)
    waves = [planned(people, now=real_now) for _ in range(3)]
    with sender() as one, sender() as two:
        for mine in (one, two, one, two):
            drain_batch(mine)
    assert sum(states(wave).get("sent", 0) for wave in waves) == 10
    assert len({request["token"] for request in push_service.requests}) == len(push_service.requests) == 10


def test_an_opt_out_before_the_claim_is_obeyed(push_service, real_now):
    people = reachable(push_service, 2)
    wave = planned(people, now=real_now)
    opted_out(people[0], real_now)
    drain()
    assert states(wave) == {"suppressed(opted_out)": 1, "sent": 1}


def test_coming_back_later_does_not_revive_what_was_planned_before(push_service, real_now):
    (person,) = reachable(push_service, 1)
    wave = planned([person], now=real_now)
    opted_out(person, real_now)
    opted_out(person, real_now, decision=Decision.IN)
    drain()
    assert states(wave) == {"suppressed(opted_out_since_planned)": 1}
    assert drain() == 0
    later = planned([person], now=real_now)
    drain()
    assert states(later) == {"sent": 1}


def test_leaving_a_topic_stops_that_topic_only(push_service, real_now):
    (person,) = reachable(push_service, 1)
    offers, news = make.topic("offers"), make.topic("news")
    opted_out(person, real_now, topic=offers)
    one, two = planned([person], now=real_now, topic=offers), planned([person], now=real_now, topic=news)
    drain()
    assert states(one) == {"suppressed(topic_opted_out)": 1}
    assert states(two) == {"sent": 1}


def test_a_global_opt_out_beats_a_topic_and_the_transactional_class(push_service, real_now):
    (person,) = reachable(push_service, 1)
    topic = make.topic()
    opted_out(person, real_now)
    opted_out(person, real_now, topic=topic, decision=Decision.IN)
    wave = planned([person], now=real_now, topic=topic, message_class="transactional")
    drain()
    assert states(wave) == {"suppressed(opted_out)": 1}


def test_a_dead_address_is_quarantined_and_the_rest_goes_on(push_service, real_now):
    people = reachable(push_service, 3)
    push_service.control(scripts={"1-device": ["410"]})
    wave = planned(people, now=real_now)
    drain()
    assert states(wave) == {"sent": 2, "dropped(gone)": 1}
    assert Device.objects.get(profile=people[1]).quarantine_reason == "gone"


def test_a_refusal_of_our_key_pauses_the_origin_and_drops_nobody(push_service, real_now):
    people = reachable(push_service, 30)
    push_service.control(default="403")
    wave = planned(people, now=real_now)
    drain()
    assert Device.objects.filter(quarantined_at=None).count() == 30
    assert Hold.objects.get().reason == "unauthorized"
    assert set(states(wave)) == {"queued(unauthorized)"}
    push_service.control(default="201")
    Hold.objects.all().delete()
    Message.objects.update(due_at=real_now)
    Push.objects.update(due_at=real_now)
    drain()
    assert states(wave) == {"sent": 30}


def test_throttling_holds_the_whole_origin(push_service, real_now, settings):
    settings.HEED_MICRO_BATCH = 1
    people = reachable(push_service, 10)
    push_service.control(scripts={"0-device": ["429:120"]})
    planned(people, now=real_now)
    drain()
    hold = Hold.objects.get()
    assert hold.until > real_now + dt.timedelta(seconds=100)


def test_a_server_error_is_tried_again_under_the_same_push(push_service, real_now, settings):
    settings.HEED_TIME_SCALE = 0.001
    people = reachable(push_service, 2)
    push_service.control(scripts={"0-device": ["500", "503", "201"]})
    wave = planned(people, now=real_now)
    for _ in range(10):
        drain()
        Message.objects.filter(state="queued").update(due_at=real_now)
        Push.objects.filter(state="retry").update(due_at=real_now)
    assert states(wave) == {"sent": 2}
    first = pushes(wave)[0]
    assert first.attempt == 3
    tried = [r["payload"]["push"] for r in push_service.requests if r["token"] == "0-device"]
    assert tried == [str(first.id)] * 3


def test_after_five_attempts_it_is_given_up_with_the_reason(push_service, real_now, settings):
    settings.HEED_TIME_SCALE = 0.001
    people = reachable(push_service, 1)
    push_service.control(default="500")
    wave = planned(people, now=real_now)
    for _ in range(10):
        drain()
        Hold.objects.all().delete()
        Message.objects.filter(state="queued").update(due_at=real_now)
        Push.objects.filter(state="retry").update(due_at=real_now)
    assert states(wave) == {"rejected(attempts_exhausted)": 1}
    assert len(push_service.requests) == 5


def test_an_answer_that_stays_away_is_unknown_and_not_sent_again(push_service, real_now):
    push_service.control(default="reset-after")
    wave = planned(reachable(push_service, 3), now=real_now)
    drain()
    drain()
    assert states(wave) == {"unknown(no_answer)": 3}
    assert len(push_service.requests) == 3


def test_must_arrive_sends_the_unknown_again_as_a_replacement(push_service, real_now, settings):
    settings.HEED_TIME_SCALE = 0.001
    push_service.control(scripts={"0-device": ["reset-after", "201"]})
    wave = planned(reachable(push_service, 1), now=real_now, must_arrive=True)
    drain()
    Message.objects.filter(state="queued").update(due_at=real_now)
    Push.objects.filter(state="retry").update(due_at=real_now)
    drain()
    assert states(wave) == {"sent": 1}
    first, second = push_service.requests
    assert first["payload"]["tag"] == second["payload"]["tag"]
    assert first["headers"]["topic"] == second["headers"]["topic"]


def test_twenty_refused_messages_pause_the_wave(push_service, real_now):
    push_service.control(default="400:111")
    wave = planned(reachable(push_service, 100), now=real_now)
    with sender() as mine:
        drain_batch(mine, limit=25)
    wave.refresh_from_db()
    assert wave.state == Wave.State.PAUSED
    assert drain() == 0
    assert states(wave)["queued"] == 75


def test_quiet_hours_put_it_off_until_they_end(push_service, real_now):
    local = real_now.astimezone(dt.UTC)
    start = (local - dt.timedelta(hours=1)).time().replace(second=0, microsecond=0)
    end = (local + dt.timedelta(hours=1)).time().replace(second=0, microsecond=0)
    SendingRules.objects.update(quiet_from=start, quiet_until=end)
    wave = planned(reachable(push_service, 1), now=real_now, expires_at=real_now + dt.timedelta(hours=20))
    drain()
    message = Message.objects.get(wave=wave)
    assert (message.state, message.reason) == ("queued", "quiet_hours")
    assert dt.timedelta(minutes=58) < message.due_at - real_now <= dt.timedelta(hours=1)


def test_a_merge_in_the_middle_of_a_wave_pushes_the_device_once(push_service, real_now):
    survivor, absorbed = reachable(push_service, 2)
    wave = planned([survivor, absorbed], now=real_now)
    Device.objects.filter(profile=absorbed).delete()
    absorbed.merged_into = survivor
    absorbed.save()
    drain()
    assert states(wave) == {"sent": 1, "suppressed(device_already_served)": 1}
    assert len(push_service.requests) == 1


def test_what_changes_after_judging_is_judged_again(push_service, real_now):
    """The epoch moved by itself: the same message is judged anew and still goes out, once."""
    (person,) = reachable(push_service, 1)
    wave = planned([person], now=real_now)
    with sender() as mine:
        claim = outbox.claim(wave, owner=mine.owner)
        from delivery.dispatch import _Batch

        batch = _Batch(mine, claim, 0)
        original = plain.render

        def moving(*args, **kwargs):
            if len(plain.rendered) < 1:
                devices.set_permission("granted", addresses=[Device.objects.get().address], now=real_now)
            return original(*args, **kwargs)

        plain.render = moving
        try:
            batch.claimed_at = batch.renewed_at = __import__("time").monotonic()
            batch.run()
        finally:
            del plain.render
    assert states(wave) == {"sent": 1}
    assert len(plain.rendered) == 2
    assert len(push_service.requests) == 1


def test_a_stale_fence_writes_nothing(push_service, real_now):
    (person,) = reachable(push_service, 1)
    wave = planned([person], now=real_now)
    with sender() as mine:
        claim = outbox.claim(wave, owner=mine.owner)
        Message.objects.update(fence=99)
        from delivery.dispatch import _Batch

        _Batch(mine, claim, __import__("time").monotonic()).run()
    assert push_service.requests == []
    assert Message.objects.get().fence == 99


def test_a_batch_costs_the_same_queries_whatever_its_size(push_service, real_now, django_assert_max_num_queries):
    planned(reachable(push_service, 60), now=real_now)
    with sender() as mine:
        drain_batch(mine, limit=20)
        with django_assert_max_num_queries(22):
            drain_batch(mine, limit=40)


def test_the_epoch_of_a_profile_rises_with_each_intent(push_service, real_now):
    (person,) = reachable(push_service, 1)
    planned([person], now=real_now)
    drain()
    assert Standing.objects.get(profile=person).epoch == 1


def test_a_device_registered_at_an_unsafe_address_never_gets_a_byte(push_service, real_now):
    person = make.profile()
    one = push_service.subscribe(1)[0]
    make.device(person, address="https://evil.example/x", p256dh=one.p256dh, auth=one.auth)
    wave = planned([person], now=real_now)
    drain()
    assert states(wave) == {"rejected(unsafe_address)": 1}
