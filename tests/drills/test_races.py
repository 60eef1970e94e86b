"""An opt-out against a send, with the worker stopped at named points: who commits first, wins."""

import datetime as dt

import pytest

from audiences import consent
from audiences.consent import NewChoice
from audiences.models import ConsentEntry, Decision
from delivery.models import Message, Push, SendingRules
from tests.delivery.sending import planned, reachable, states
from tests.drills.processes import wait_for
from tests.drills.races import a_worker_waits, stopped_at

pytestmark = pytest.mark.slow


def leave(profile):
    consent.record(
        [NewChoice(profile_id=profile.pk, topic_id=None, decision=Decision.OUT, source="test")],
        now=dt.datetime.now(dt.UTC),
    )


def test_an_opt_out_between_queue_and_claim_sends_nothing(raced, push_service, start_at):
    """C1."""
    (person,) = reachable(push_service, 1)
    wave = planned([person], now=start_at)
    leave(person)
    raced.clock()
    raced.worker()
    wait_for(lambda: states(wave) == {"suppressed(opted_out)": 1})
    assert push_service.requests == []


@pytest.mark.parametrize("point", ["after_claim", "before_intent"])
def test_an_opt_out_between_claim_and_intent_sends_nothing(raced, push_service, start_at, point):
    """C2."""
    (person,) = reachable(push_service, 1)
    wave = planned([person], now=start_at)
    with stopped_at(point):
        raced.clock()
        raced.worker()
        wait_for(a_worker_waits)
        leave(person)
    wait_for(lambda: states(wave) == {"suppressed(opted_out)": 1})
    assert push_service.requests == []
    assert not Push.objects.filter(wave=wave).exists()


def test_an_opt_out_while_the_push_is_on_the_wire_shows_both_in_order(raced, push_service, start_at):
    """C3: it may arrive; the record shows that the intent came first, and nothing is tried again."""
    (person,) = reachable(push_service, 1)
    push_service.control(default="500")
    wave = planned([person], now=start_at)
    with stopped_at("after_intent"):
        raced.clock()
        raced.worker()
        wait_for(a_worker_waits)
        leave(person)
    wait_for(lambda: states(wave) == {"suppressed(opted_out)": 1})
    assert len(push_service.requests) == 1
    message = Message.objects.get(wave=wave)
    assert message.intent_at < ConsentEntry.objects.get().at


def test_an_opt_out_during_backoff_ends_the_attempts(raced, push_service, start_at):
    """C4."""
    (person,) = reachable(push_service, 1)
    push_service.control(default="503:3")
    wave = planned([person], now=start_at)
    raced.clock()
    raced.worker()
    wait_for(lambda: Push.objects.filter(wave=wave, state="retry").exists())
    leave(person)
    wait_for(lambda: states(wave) == {"suppressed(opted_out)": 1})
    assert len(push_service.requests) == 1


def test_an_opt_out_while_quiet_hours_hold_it_suppresses_at_release(raced, push_service, start_at):
    """C5."""
    (person,) = reachable(push_service, 1)
    around = [(start_at + dt.timedelta(hours=h)).time().replace(microsecond=0) for h in (-1, 1)]
    SendingRules.objects.update(quiet_from=around[0], quiet_until=around[1])
    wave = planned([person], now=start_at)
    raced.clock()
    raced.worker()
    wait_for(lambda: states(wave) == {"queued(quiet_hours)": 1})
    leave(person)
    SendingRules.objects.update(quiet_from=None, quiet_until=None)
    Message.objects.update(due_at=start_at)
    wait_for(lambda: states(wave) == {"suppressed(opted_out)": 1})
    assert push_service.requests == []
