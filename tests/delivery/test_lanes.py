"""Transactional messages have a lane of their own, and no wave keeps another waiting."""

import datetime as dt

import pytest

from delivery import lanes
from delivery.dispatch import drain_batch
from delivery.lanes import Lane, Line
from delivery.models import Message, Wave
from tests import make
from tests.delivery.sending import planned, reachable, sender, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def site(real_now, settings):
    settings.HEED_TRANSACTIONAL_WORKERS = 0
    make.credential()
    make.no_quiet_hours()


def tokens(service):
    return [request["token"] for request in service.requests]


def test_a_transactional_message_goes_first(push_service, real_now):
    broadcast = planned(reachable(push_service, 5), now=real_now)
    receipt = planned(reachable(push_service, 1, first=50), now=real_now, message_class="transactional")
    with sender() as mine:
        assert drain_batch(mine) == 1
    assert states(receipt) == {"sent": 1}
    assert states(broadcast) == {"queued": 5}


def test_its_own_lane_takes_nothing_else(push_service, real_now):
    broadcast = planned(reachable(push_service, 5), now=real_now)
    receipt = planned(reachable(push_service, 1, first=50), now=real_now, message_class="transactional")
    with sender() as mine:
        assert drain_batch(mine, lane=Lane.NOW) == 1
        assert drain_batch(mine, lane=Lane.NOW) == 0
    assert states(receipt) == {"sent": 1}
    assert states(broadcast) == {"queued": 5}


def test_where_the_lane_has_a_worker_the_others_leave_it_a_moment(push_service, real_now, settings):
    settings.HEED_TRANSACTIONAL_WORKERS = 1
    now = dt.datetime.now(dt.UTC)
    receipt = planned(reachable(push_service, 1), now=now, message_class="transactional", due_at=now)
    assert lanes.next_wave(Lane.NOW, Line()) == receipt
    assert lanes.is_due(Lane.NOW)
    assert not lanes.is_due(Lane.ORDINARY)
    Message.objects.update(due_at=now - dt.timedelta(seconds=1))
    assert lanes.next_wave(Lane.ORDINARY, Line()) == receipt
    assert lanes.is_due(Lane.ORDINARY)


def test_a_broadcast_under_way_makes_way_between_two_micro_batches(push_service, real_now, settings, monkeypatch):
    settings.HEED_MICRO_BATCH = 4
    monkeypatch.setattr(lanes, "LOOK_SECONDS", 0.0)
    planned(reachable(push_service, 20), now=real_now)
    (person,) = reachable(push_service, 1, first=50)
    late = planned([person], now=real_now, message_class="transactional", state="paused")
    with sender() as mine:
        looked = []

        def arrives():
            # It is written while the first micro-batch is on its way.
            looked.append(len(push_service.requests))
            if looked[-1] >= 4:
                Wave.objects.filter(pk=late.pk).update(state="running")
            return False

        mine.is_stopping = arrives
        assert drain_batch(mine) == 20
    assert states(late) == {"sent": 1}
    assert tokens(push_service).index("50-device") in (4, 5, 6, 7, 8)
    assert len(push_service.requests) == 21


def test_waves_take_turns(push_service, real_now):
    waves = [planned(reachable(push_service, 6, first=10 * n), now=real_now) for n in range(3)]
    with sender() as mine:
        for _ in range(3):
            assert drain_batch(mine, limit=2) == 2
    assert [states(wave) for wave in waves] == [{"sent": 2, "queued": 4}] * 3


def test_a_wave_that_others_have_emptied_meanwhile_keeps_nobody_waiting(push_service, real_now):
    waves = [planned(reachable(push_service, 2, first=10 * n), now=real_now) for n in range(3)]
    with sender() as mine:
        assert lanes.next_wave(Lane.ORDINARY, mine.line)
        Message.objects.exclude(wave=waves[2]).update(state="suppressed")
        assert drain_batch(mine) == 2
    assert states(waves[2]) == {"sent": 2}


def test_paused_waves_and_later_messages_are_not_due(push_service, real_now):
    planned(reachable(push_service, 1), now=real_now, state="paused")
    planned(reachable(push_service, 1, first=5), now=real_now, due_at=real_now + dt.timedelta(hours=1))
    assert not lanes.is_due(Lane.ORDINARY)
    assert lanes.next_wave(Lane.ORDINARY, Line()) is None
