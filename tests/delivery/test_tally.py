"""Counts that are kept as the work goes on are what the ledger says."""

import datetime as dt
from collections import Counter

import pytest
from django.db.models import F

from delivery import outbox, sweeper, tally
from delivery.dispatch import drain_batch
from delivery.models import Cap, Message, Push, Tally, Wave
from tests import make
from tests.delivery.sending import drain, plain, planned, reachable, sender, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def site(real_now):
    make.credential()
    make.no_quiet_hours()
    plain.refuse.clear()


def of_ledger(wave):
    """The same counts, counted."""
    messages = Counter(
        (state, reason)
        for state, reason in Message.objects.filter(wave=wave).values_list("state", "reason")
        if state not in {"claimed", "pushing"} and (state, reason) != ("queued", "")
    )
    return dict(messages)


def kept(wave):
    return dict(tally.counts_of([wave])[wave.pk].messages)


def test_counts_follow_a_wave_to_its_end(push_service, real_now):
    people = reachable(push_service, 12)
    plain.refuse.add(people[0].pk)
    push_service.control(scripts={"1-device": ["410"], "2-device": ["503:9", "201"], "3-device": ["400"]})
    wave = planned([*people, make.profile()], now=real_now)
    assert kept(wave) == {}
    drain()
    assert kept(wave) == of_ledger(wave)
    assert kept(wave)["queued", "gateway_trouble"] == 1
    Message.objects.filter(state="queued").update(due_at=real_now)
    Push.objects.filter(state="retry").update(due_at=real_now)
    drain()
    assert kept(wave) == of_ledger(wave)
    assert sum(kept(wave).values()) == 13
    counts = tally.counts_of([wave])[wave.pk]
    credential = Push.objects.filter(wave=wave).first().credential_id
    assert counts.sent_lately == 9
    assert counts.pushes[credential, "sent", "", "201"] == 9
    assert counts.pushes[credential, "retry", "gateway_trouble", "503"] == 1
    assert counts.pushes[credential, "dropped", "gone", "410"] == 1
    assert counts.pushes[credential, "rejected", "bad_request", "400"] == 1


def test_what_waits_is_counted_while_it_waits_only(push_service, real_now):
    Cap.objects.create(limit=1, hours=24, defers=True)
    people = reachable(push_service, 4)
    planned(people, now=real_now)
    drain()
    wave = planned(people, now=real_now, expires_at=real_now + dt.timedelta(days=3))
    drain()
    assert kept(wave) == of_ledger(wave) == {("queued", "frequency_cap"): 4}
    Message.objects.filter(wave=wave).update(due_at=real_now)
    claimed = outbox.claim(wave, owner="me", limit=3)
    assert kept(wave) == of_ledger(wave) == {("queued", "frequency_cap"): 1}
    outbox.release(wave, [row["id"] for row in claimed.rows], owner="me")
    assert kept(wave) == of_ledger(wave) == {("queued", "frequency_cap"): 4}


@pytest.mark.parametrize("state", ["stopped", "running"])
def test_what_a_wave_leaves_at_its_end_is_counted(push_service, real_now, state):
    Cap.objects.create(limit=1, hours=24, defers=True)
    people = reachable(push_service, 4)
    planned(people[:2], now=real_now)
    drain()
    wave = planned(people, now=real_now, expires_at=real_now + dt.timedelta(days=3))
    with sender() as mine:
        drain_batch(mine, limit=3)
    Wave.objects.filter(pk=wave.pk).update(state=state, expires_at=real_now - dt.timedelta(seconds=1))
    sweeper.sweep()
    assert kept(wave) == of_ledger(wave)
    assert sum(kept(wave).values()) == 4


def test_what_dead_workers_leave_is_counted(push_service, real_now):
    people = reachable(push_service, 3)
    wave = planned(people, now=real_now)
    drain()
    lost = planned(people, now=real_now)
    ids = list(Message.objects.filter(wave=lost).order_by("pk").values_list("pk", flat=True))
    over = real_now - dt.timedelta(minutes=1)
    Message.objects.filter(pk=ids[0]).update(state="claimed", lease_until=over, crashes=2)
    Message.objects.filter(pk=ids[1]).update(state="pushing", lease_until=over, intent_at=over)
    Push.objects.filter(wave=wave, profile=people[1]).update(
        id="00000000-0000-4000-8000-000000000001", state="sending", lease_until=over, wave=lost, message=ids[1]
    )
    sweeper.sweep()
    sweeper.sweep()
    assert states(lost) == {"rejected(poison)": 1, "unknown(worker_lost)": 1, "queued": 1}
    assert kept(lost) == of_ledger(lost)
    assert [key[1:3] for key in tally.counts_of([lost])[lost.pk].pushes] == [("unknown", "worker_lost")]


def test_folding_changes_no_count_and_leaves_few_rows(push_service, real_now):
    wave = planned(reachable(push_service, 40), now=real_now)
    other = planned(reachable(push_service, 5, first=50), now=real_now)
    with sender() as mine:
        while drain_batch(mine, limit=2):
            pass
    before = [tally.counts_of([wave, other])[one.pk] for one in (wave, other)]
    assert Tally.objects.count() > 40
    Tally.objects.update(at=F("at") - dt.timedelta(seconds=10))
    tally.fold()
    assert [tally.counts_of([wave, other])[one.pk] for one in (wave, other)] == before
    assert Tally.objects.count() <= 16
    Tally.objects.update(at=F("at") - dt.timedelta(minutes=3))
    tally.fold()
    tally.fold()
    folded = [tally.counts_of([wave, other])[one.pk] for one in (wave, other)]
    assert [one.messages for one in folded] == [one.messages for one in before]
    assert [one.pushes for one in folded] == [one.pushes for one in before]
    assert [one.sent_lately for one in folded] == [0, 0]
    assert Tally.objects.count() == 4


def test_counting_anew_says_the_same(push_service, real_now):
    people = reachable(push_service, 6)
    push_service.control(scripts={"1-device": ["410"], "2-device": ["503:9"]})
    wave = planned(people, now=real_now)
    drain()
    before = tally.counts_of([wave])[wave.pk]
    tally.recount([wave])
    assert tally.counts_of([wave])[wave.pk] == before


def test_looking_at_many_waves_is_one_query(django_assert_num_queries, push_service, real_now):
    waves = [planned(reachable(push_service, 1, first=n), now=real_now) for n in range(3)]
    drain()
    with django_assert_num_queries(1):
        assert [one.messages["sent", ""] for one in tally.counts_of(waves).values()] == [1, 1, 1]
