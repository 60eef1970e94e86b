"""What failed together is tried again in smaller groups, until the one at fault is alone."""

import pytest
from django.db import OperationalError, connection

from delivery import outbox, suspects, tasks
from delivery.models import Message
from delivery.sweeper import sweep
from tests import make
from tests.delivery.sending import drain, plain, planned, reachable, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def site():
    make.credential()
    make.no_quiet_hours()
    plain.refuse.clear()


def lose(wave, owner):
    """The worker dies with what it has claimed."""
    Message.objects.filter(wave=wave, owner=owner).update(lease_until=make.NOW)
    sweep()


def test_what_died_with_its_worker_is_claimed_in_smaller_groups_and_first(push_service, real_now):
    wave = planned(reachable(push_service, 100), now=real_now)
    assert len(outbox.claim(wave, owner="a", limit=60).rows) == 60
    lose(wave, "a")
    few = outbox.claim(wave, owner="b")
    assert (len(few.rows), few.has_more) == (32, True)
    lose(wave, "b")
    alone = outbox.claim(wave, owner="c")
    assert len(alone.rows) == 1 and alone.rows[0]["crashes"] == 2
    lose(wave, "c")
    assert states(wave) == {"queued": 99, "rejected(poison)": 1}
    assert (
        sorted(Message.objects.filter(state="queued").values_list("crashes", flat=True))
        == [0] * 40 + [1] * 28 + [2] * 31
    )


def test_the_innocent_go_out_and_nothing_waits_for_them(push_service, real_now):
    wave = planned(reachable(push_service, 80), now=real_now)
    for owner in ("a", "b"):
        outbox.claim(wave, owner=owner)
        lose(wave, owner)
    drain()
    assert states(wave) == {"sent": 80}


def test_a_worker_gives_back_only_what_it_holds_itself(push_service, real_now):
    wave = planned(reachable(push_service, 10), now=real_now)
    outbox.claim(wave, owner="a", limit=4)
    outbox.claim(wave, owner="b", limit=4)
    suspects.suspect(wave, list(Message.objects.values_list("pk", flat=True)), owner="a")
    assert Message.objects.filter(state="claimed", owner="b").count() == 4
    assert Message.objects.filter(crashes=1).count() == 4
    outbox.release_all(owner="b")
    assert states(wave) == {"queued": 10}
    assert Message.objects.filter(crashes=1).count() == 4


def test_a_connection_that_breaks_costs_a_batch_neither_time_nor_blame(push_service, real_now, monkeypatch):
    people = reachable(push_service, 5)
    wave = planned(people, now=real_now)
    render, broken = plain.render, []

    def breaking(wave, batch, *, now):
        if not broken:
            broken.append(True)
            connection.close()
            raise OperationalError("server closed the connection unexpectedly")
        return render(wave, batch, now=now)

    monkeypatch.setattr(plain, "render", breaking)
    monkeypatch.setattr(tasks, "_sender", None)
    assert tasks.drain() == 5
    tasks.sender().close()
    assert states(wave) == {"sent": 5}
    assert Message.objects.filter(crashes=0, wave=wave).count() == 5
    assert broken
