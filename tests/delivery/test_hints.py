"""A worker that is at work hears of what is due; only one that rests needs a job to wake it."""

import threading

import pytest
from django.conf import settings as site
from django.db import connection

from delivery import hints, tasks
from delivery.lanes import Lane
from tests import make
from tests.delivery.sending import planned, reachable, sender, states
from tests.drills.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def site_that_sends(redis_server, settings):
    settings.HEED_TRANSACTIONAL_WORKERS = 1
    make.credential()
    make.no_quiet_hours()


def test_who_listens_hears_a_hint_and_needs_no_job():
    with hints.listening(Lane.NOW) as ear:
        ear.forget()
        assert not ear.hears(0)
        assert tasks.hint_due(Lane.NOW) == 0
        assert ear.hears(10)
        assert not ear.hears(0)
    assert tasks.hint_due(Lane.NOW) == 1


def test_the_others_get_their_jobs(settings):
    settings.HEED_TRANSACTIONAL_WORKERS = 3
    with hints.listening(Lane.NOW):
        assert tasks.hint_due(Lane.NOW) == 2
        assert tasks.hint_due(Lane.NOW) == 0


def test_the_clock_wakes_a_lane_whoever_listens(push_service, real_now):
    planned(reachable(push_service, 1), now=real_now, message_class="transactional")
    with hints.listening(Lane.NOW) as ear:
        tasks.hint_due()
        assert hints.queue_of(Lane.NOW).count == 1
        ear.forget()
        assert not ear.hears(0)


def test_a_worker_that_has_just_sent_takes_the_next_message_without_a_job(
    push_service, real_now, redis_server, monkeypatch
):
    monkeypatch.setattr(tasks, "LISTEN_SECONDS", 10.0)
    people = reachable(push_service, 2)
    first = planned(people[:1], now=real_now, message_class="transactional")
    counts = []

    def work():
        counts.append(tasks.drain(Lane.NOW))
        connection.close()

    with sender() as mine:
        monkeypatch.setattr(tasks, "_sender", mine)
        worker = threading.Thread(target=work)
        worker.start()
        wait_for(lambda: states(first) == {"sent": 1})
        second = planned(people[1:], now=real_now, message_class="transactional", occurrence="second")
        tasks.hint(Lane.NOW)
        wait_for(lambda: states(second) == {"sent": 1})
        assert hints.queue_of(Lane.NOW).count == 0
        tasks.stopping.set()
        tasks.hint(Lane.NOW)
        worker.join()
        tasks.stopping.clear()
    assert counts == [2]


def test_without_redis_a_worker_hears_nothing_and_sends(push_service, real_now, monkeypatch, tmp_path):
    wave = planned(reachable(push_service, 1), now=real_now, message_class="transactional")
    monkeypatch.setitem(site.RQ_QUEUES[Lane.NOW], "URL", f"unix://{tmp_path}/none.sock?db=0")
    with sender() as mine:
        monkeypatch.setattr(tasks, "_sender", mine)
        assert tasks.drain(Lane.NOW) == 1
    assert states(wave) == {"sent": 1}
