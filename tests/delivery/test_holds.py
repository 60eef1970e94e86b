"""Push services that fail, ask for time, or refuse us: who is left alone, for how long, and who tries first."""

import datetime as dt

import pytest

from delivery import holds, waiting
from delivery.dispatch import drain_batch
from delivery.gateways.base import Action, Outcome
from delivery.holds import EVERYWHERE, Watch
from delivery.models import Credential, Hold, Message, Push
from delivery.models.credential import BROKEN
from tests import make
from tests.delivery.sending import drain, planned, reachable, sender, states

pytestmark = pytest.mark.django_db(transaction=True)

PLACE = (1, "https://push.example.com")
FAILED = Outcome(Action.RETRY, "gateway_trouble", "500")
FINE = Outcome(Action.SENT)


@pytest.fixture(autouse=True)
def site(real_now):
    make.credential()
    make.no_quiet_hours()


@pytest.fixture
def broken(push_service, settings):
    """A push service of which 60 pushes have just failed, with 40 more that nobody tried; its next try is due."""
    settings.HEED_MICRO_BATCH = 60
    push_service.control(default="500", check=False)
    wave = planned(reachable(push_service, 100), now=dt.datetime.now(dt.UTC))
    drain()
    assert len(push_service.requests) == 60
    push_service.forget()
    return wave


def retries_are_due():
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    Push.objects.filter(state="retry").update(due_at=long_ago)
    Message.objects.filter(state="queued", held_by=None).update(due_at=long_ago)


def the_next_try_is_due():
    Hold.objects.update(until=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1))
    retries_are_due()


def wake():
    return waiting.wake(now=dt.datetime.now(dt.UTC))


@pytest.mark.parametrize(
    ("outcomes", "breaks"),
    [
        ([FAILED] * 19, False),
        ([FAILED] * 20, True),
        ([FAILED, FINE] * 24, False),
        ([FINE, FAILED] * 25, True),
        ([FINE] * 26 + [FAILED] * 19, False),
        ([FINE, FINE, FAILED] * 40, False),
    ],
)
def test_a_push_service_is_broken_after_twenty_in_a_row_or_half_of_the_last_fifty(outcomes, breaks):
    watch = Watch()
    said = [watch.see(PLACE, outcome) for outcome in outcomes]
    assert (said[-1] == (BROKEN, 30.0)) is breaks
    assert not any(said[:-1])


def test_what_a_broken_push_service_has_not_got_yet_is_not_posted_any_more(broken):
    hold = Hold.objects.get()
    assert hold.reason == BROKEN
    waits = Message.objects.filter(held_by=hold.pk)
    assert waits.count() == 40
    assert set(waits.values_list("state", "reason")) == {("queued", BROKEN)}
    assert waits.first().verdicts[-1]["values"] == {"origin": hold.origin}


def test_nobody_is_claimed_again_and_again_while_it_is_broken(broken, push_service):
    retries_are_due()
    drain()
    retries_are_due()
    assert drain() == 0
    assert Message.objects.filter(state="queued").exclude(held_by=None).count() == 100
    assert push_service.requests == []


def test_one_single_push_of_all_workers_tries_it_each_half_minute(broken, push_service, settings):
    the_next_try_is_due()
    assert wake() == waiting.TRIES
    with sender() as one, sender() as two:
        for mine in (one, two, one, two):
            drain_batch(mine, limit=30)
    assert len(push_service.requests) == 1
    hold = Hold.objects.get()
    assert hold.until > dt.datetime.now(dt.UTC) + dt.timedelta(seconds=20)
    assert wake() == 0
    drain()
    assert len(push_service.requests) == 1


def test_a_push_that_was_tried_before_is_the_last_to_try_again(broken, push_service):
    Message.objects.filter(held_by__isnull=False).update(state="suppressed")
    the_next_try_is_due()
    drain()
    assert push_service.requests == []
    Hold.objects.update(until=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=31))
    wake()
    drain()
    assert len(push_service.requests) == 1


def test_an_answer_frees_everything_that_waited(broken, push_service):
    retries_are_due()
    drain()
    push_service.control(default="201")
    the_next_try_is_due()
    wake()
    drain()
    assert not Hold.objects.exists()
    wake()
    retries_are_due()
    drain()
    assert states(broken) == {"sent": 100}
    assert len(push_service.requests) == 100


def test_who_is_held_out_never_tries_it(broken, push_service):
    the_next_try_is_due()
    Message.objects.update(arm="control")
    wake()
    drain()
    assert push_service.requests == []
    assert Hold.objects.get().reason == BROKEN
    Message.objects.update(arm="told")
    wake()
    drain()
    assert len(push_service.requests) == 1


@pytest.mark.parametrize("answer", ["410", "413"])
def test_any_answer_about_the_push_itself_says_that_it_works_again(broken, push_service, answer):
    push_service.control(default=answer)
    the_next_try_is_due()
    wake()
    with sender() as mine:
        drain_batch(mine)
    assert not Hold.objects.exists()


def test_a_hold_ends_at_its_time_and_what_waited_goes_out(push_service, real_now, settings):
    settings.HEED_MICRO_BATCH = 1
    push_service.control(scripts={"0-device": ["429:120", "201"]}, check=False)
    wave = planned(reachable(push_service, 10), now=real_now)
    drain()
    hold = Hold.objects.get()
    assert len(push_service.requests) == 1
    assert Message.objects.filter(held_by=hold.pk).count() == 9
    assert wake() == 0
    assert waiting.wake(now=hold.until + dt.timedelta(seconds=1)) == 9
    assert not Hold.objects.exists()
    retries_are_due()
    drain()
    assert states(wave) == {"sent": 10}


def test_a_paused_credential_sends_nothing_until_somebody_resumes_it(push_service, real_now):
    holds.pause(Credential.objects.get(), because="The key is being changed.", now=real_now)
    wave = planned(reachable(push_service, 3), now=real_now)
    drain()
    assert states(wave) == {"queued(credential_paused)": 3}
    assert waiting.wake(now=real_now + dt.timedelta(days=1)) == 0
    assert Hold.objects.get().origin == EVERYWHERE
    holds.resume(Hold.objects.all())
    assert wake() == 3
    drain()
    assert states(wave) == {"sent": 3}


def test_a_message_does_not_wait_beyond_its_own_end(push_service, real_now):
    holds.pause(Credential.objects.get(), because="", now=real_now)
    end = real_now + dt.timedelta(minutes=5)
    planned(reachable(push_service, 1), now=real_now, expires_at=end)
    drain()
    assert Message.objects.get().due_at == end


def test_a_free_push_service_goes_on_while_another_is_held(push_service, real_now, settings):
    free = push_service.origin.replace("127.0.0.1", "localhost")
    settings.HEED_PUSH_ORIGINS = (push_service.origin, free)
    people = reachable(push_service, 4)
    for person in people[2:]:
        device = person.devices.get()
        device.address = device.address.replace(push_service.origin, free)
        device.save()
    place = (Credential.objects.get().pk, push_service.origin)
    holds.hold(place, reason="throttled", seconds=60, detail="", now=real_now)
    wave = planned(people, now=real_now)
    drain()
    assert states(wave) == {"queued(throttled)": 2, "sent": 2}


def test_waking_costs_the_same_queries_however_much_waits(push_service, real_now, django_assert_max_num_queries):
    holds.pause(Credential.objects.get(), because="", now=real_now)
    planned(reachable(push_service, 50), now=real_now)
    drain()
    with django_assert_max_num_queries(5):
        wake()
    holds.resume(Hold.objects.all())
    with django_assert_max_num_queries(6):
        assert wake() == 50
