"""So many a minute: exact over all workers, with nothing lost and nobody else kept waiting."""

import datetime as dt
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.db.models import F

from delivery import lanes, pacing, throttle
from delivery.dispatch import drain_batch
from delivery.lanes import Lane, Line
from delivery.models import Message, Push, Throttle, Wave
from delivery.throttle import Pace
from tests import make
from tests.delivery.sending import drain, planned, reachable, sender, states
from tests.delivery.stopped_clock import stopped_clock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def site(real_now):
    make.no_quiet_hours()


@pytest.fixture
def credential():
    return make.credential()


@pytest.fixture
def stopped(real_now, enter):
    """PostgreSQL's clock stands still: nothing comes back to a bucket but what a test lets come."""
    return enter(stopped_clock(real_now))


def later(seconds, name=None):
    """As if so much time had passed for the buckets."""
    found = Throttle.objects.filter(name=name) if name else Throttle.objects.all()
    span = dt.timedelta(seconds=seconds)
    found.update(filled_at=F("filled_at") - span, frees_at=F("frees_at") - span)


@pytest.mark.parametrize("per_minute", [1, 2, 7, 60, 99, 100, 600, 6_000, 60_000, 600_000])
def test_no_sixty_seconds_hold_more_turns_than_the_limit(per_minute):
    pace = Pace.of(per_minute)
    assert pace.burst + 60 * pace.rate < per_minute + 1
    assert 60 * pace.rate >= 0.96 * per_minute


def test_a_bucket_gives_what_it_holds_and_then_what_has_come_back(stopped):
    assert throttle.take("wave:1", per_minute=600, again=100).granted == 12
    assert throttle.take("wave:1", per_minute=600, again=100).granted == 0
    later(0.5)
    assert throttle.take("wave:1", per_minute=600, again=100).granted == 4
    later(3600)
    assert throttle.take("wave:1", per_minute=600, again=100).granted == 12


def test_what_was_not_used_is_free_again_but_never_more_than_the_bucket_holds(stopped):
    assert throttle.take("wave:1", per_minute=600, again=12).granted == 12
    throttle.give_back("wave:1", 5, per_minute=600)
    assert throttle.take("wave:1", per_minute=600, again=100).granted == 5
    throttle.give_back("wave:1", 500, per_minute=600)
    assert throttle.take("wave:1", per_minute=600, again=100).granted == 12


def test_who_waits_gets_a_turn_behind_all_who_wait_already(stopped):
    assert throttle.take("credential:1", per_minute=600, fresh=12).granted == 12
    first = throttle.take("credential:1", per_minute=600, fresh=10)
    second = throttle.take("credential:1", per_minute=600, fresh=10)
    assert first.granted == second.granted == 0
    turns = [*first.later, *second.later]
    assert turns == sorted(turns)
    assert (turns[-1] - turns[0]).total_seconds() == pytest.approx(19 / Pace.of(600).rate, abs=1e-4)


def test_nobody_is_given_a_turn_beyond_an_hour_so_that_a_raised_limit_is_felt():
    line = throttle.take("credential:1", per_minute=60, fresh=100_000).later
    assert (line[-1] - line[0]) <= throttle.FURTHEST_TURN


def test_broadcasts_leave_a_reserve_that_transactional_messages_may_use(stopped):
    assert throttle.take("credential:1", per_minute=6_000, fresh=500, may_use_reserve=False).granted == 60
    assert throttle.take("credential:1", per_minute=6_000, fresh=500, may_use_reserve=False).granted == 0
    assert throttle.take("credential:1", per_minute=6_000, fresh=50).granted == 50
    assert throttle.take("credential:1", per_minute=6_000, fresh=50).granted == 10


def test_many_hosts_at_once_get_no_more_than_there_is():
    """Eight connections ask at the same time: what they get together is what one would have got."""

    def ask(_):
        try:
            return sum(throttle.take("wave:1", per_minute=6_000, again=7).granted for _ in range(25))
        finally:
            connection.close()

    began = time.monotonic()
    with ThreadPoolExecutor(8) as hosts:
        granted = sum(hosts.map(ask, range(8)))
    took = time.monotonic() - began
    pace = Pace.of(6_000)
    assert pace.burst <= granted <= pace.burst + pace.rate * (took + 0.1)


def test_a_wave_with_a_limit_sends_no_faster_and_keeps_nobody_waiting(push_service, real_now, credential, stopped):
    slow = planned(reachable(push_service, 40), now=real_now, per_minute=600)
    quick = planned(reachable(push_service, 40, first=40), now=real_now)
    drain()
    assert states(quick) == {"sent": 40}
    assert states(slow) == {"sent": 12, "queued": 28}
    later(3600)
    drain()
    assert states(slow) == {"sent": 24, "queued": 16}
    assert Message.objects.filter(wave=slow, state="queued").exclude(due_at=slow.due_at).count() == 0


def test_a_wave_that_has_no_turn_is_not_looked_at_until_it_has(push_service, real_now, credential):
    wave = planned(reachable(push_service, 40), now=real_now, per_minute=60)
    drain()
    assert lanes.next_wave(Lane.ORDINARY, Line()) is None
    assert not lanes.is_due(Lane.ORDINARY)
    assert 0 < lanes.next_turn() < 2
    later(2)
    assert lanes.next_wave(Lane.ORDINARY, Line()) == wave
    assert lanes.next_turn() is None


def test_messages_that_are_held_back_use_up_no_turns(push_service, real_now, credential):
    unreachable = [make.profile() for _ in range(20)]
    wave = planned([*unreachable, *reachable(push_service, 5)], now=real_now, per_minute=600)
    drain()
    assert states(wave) == {"suppressed(no_device)": 20, "sent": 5}


def test_a_credential_with_a_limit_puts_off_its_own_devices_only(push_service, real_now, stopped):
    slow = make.credential(per_minute=300)
    people = reachable(push_service, 30)
    for person in people[:20]:
        person.devices.update(sender_key=slow.public_key)
    quick = make.credential()
    for person in people[20:]:
        person.devices.update(sender_key=quick.public_key)
    wave = planned(people, now=real_now)
    drain()
    assert Push.objects.filter(wave=wave, credential_id=quick.pk, state="sent").count() == 10
    assert Push.objects.filter(wave=wave, credential_id=slow.pk, state="sent").count() == 3
    assert states(wave) == {"sent": 13, "queued(throttled_by_us)": 17}
    waiting = Message.objects.filter(wave=wave, state="queued").order_by("due_at")
    assert all(real_now < message.due_at < real_now + dt.timedelta(minutes=1) for message in waiting)
    assert waiting[0].verdicts[-1]["gate"] == "throttle"
    assert not Push.objects.filter(wave=wave, attempt__gt=1).exists()


def test_who_waited_for_a_turn_gets_it_and_loses_no_attempt(push_service, real_now):
    make.credential(per_minute=300)
    wave = planned(reachable(push_service, 10), now=real_now)
    drain()
    for _ in range(20):
        later(60)
        Message.objects.filter(state="queued").update(due_at=real_now)
        drain()
    assert states(wave) == {"sent": 10}
    assert set(Push.objects.values_list("attempt", flat=True)) == {1}
    assert len(push_service.requests) == 10


@pytest.fixture
def two(push_service):
    """One person with a device under a quick credential and one under a slow one, and another with a slow one."""
    slow, quick = make.credential(per_minute=1), make.credential()
    (person, other) = reachable(push_service, 2)
    first = push_service.subscribe(1, first=9)[0]
    make.device(person, address=first.endpoint, p256dh=first.p256dh, auth=first.auth, sender_key=slow.public_key)
    person.devices.filter(sender_key="").update(sender_key=quick.public_key)
    other.devices.update(sender_key=slow.public_key)
    return person, other


def test_a_message_for_two_devices_of_which_one_must_wait_reaches_both(push_service, real_now, two):
    person, other = two
    wave = planned([other], now=real_now - dt.timedelta(minutes=1))
    drain()
    assert states(wave) == {"sent": 1}
    wave = planned([person], now=real_now)
    drain()
    assert states(wave) == {"queued(throttled_by_us)": 1}
    assert [push.state for push in Push.objects.filter(wave=wave)] == ["sent"]
    later(120)
    Message.objects.filter(state="queued").update(due_at=real_now)
    drain()
    assert states(wave) == {"sent": 1}
    assert Push.objects.filter(wave=wave, state="sent").count() == 2
    assert len(push_service.requests) == 3


def test_what_reached_one_device_stays_sent_where_the_other_is_given_up(push_service, real_now, two):
    person, other = two
    planned([other], now=real_now)
    drain()
    stopped, expired = (planned([person], now=real_now) for _ in range(2))
    drain()
    Wave.objects.filter(pk=stopped.pk).update(state="stopped")
    Wave.objects.filter(pk=expired.pk).update(expires_at=real_now - dt.timedelta(seconds=1))
    from delivery.sweeper import sweep

    sweep()
    assert states(stopped) == states(expired) == {"sent": 1}


def test_turns_that_were_taken_for_pushes_that_did_not_go_are_given_back(push_service, real_now):
    credential = make.credential(per_minute=600)
    people = reachable(push_service, 5)
    wave = planned(people, now=real_now)
    with sender() as mine:
        Wave.objects.filter(pk=wave.pk).update(per_minute=600)
        pacing.allowance(wave, 1)
        held = pacing.Pacer(wave, mine.routes)
        held.unused[credential.pk] = throttle.take(
            throttle.of_credential(credential.pk), per_minute=600, fresh=12
        ).granted
        assert held.unused[credential.pk] == 12
        held.give_back()
        assert drain_batch(mine) == 5
    assert states(wave) == {"sent": 5}


def test_a_bucket_that_nobody_asks_is_forgotten(real_now):
    throttle.take("wave:1", per_minute=60, again=1)
    assert throttle.forget(now=real_now) == 0
    assert throttle.forget(now=real_now + dt.timedelta(days=3)) == 1


def test_a_raised_limit_is_felt_at_once_by_all_who_wait(push_service, real_now):
    credential = make.credential(per_minute=60)
    wave = planned(reachable(push_service, 40), now=real_now)
    drain()
    assert states(wave)["queued(throttled_by_us)"] >= 38
    credential.per_minute = None
    credential.save()
    assert drain() == 0
    while throttle.hurry(slice_of=15):
        pass
    drain()
    assert states(wave) == {"sent": 40}
