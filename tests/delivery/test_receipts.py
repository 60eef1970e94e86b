"""What devices tell: each receipt counts once, forged ones not at all."""

import datetime as dt
from uuid import uuid4

import pytest

from delivery.models import Push
from delivery.models import Receipt as Logged
from delivery.receipts import Accepted, Receipt, accept, drop_old, receipt_token
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def push(now):
    owner = make.profile()
    wave = make.wave()
    return Push.objects.create(
        id=uuid4(),
        wave=wave,
        wave_on=wave.wave_on,
        message=make.message(wave, owner),
        profile=owner,
        device=make.device(owner),
        send_key="w",
        state="sent",
        intent_at=now,
    )


def told(push, kind, at=None, token=None):
    return Receipt(str(push.id), kind, token or receipt_token(push.id, push.wave_on), at)


def test_a_receipt_is_stored_with_its_time(push, now):
    at = now + dt.timedelta(seconds=30)
    assert accept([told(push, "shown", at)], now=now + dt.timedelta(minutes=1)) == Accepted(1, 0, 0)
    push.refresh_from_db()
    assert push.shown_at == at


def test_the_same_receipt_counts_once(push, now):
    accept([told(push, "shown"), told(push, "shown")], now=now)
    assert accept([told(push, "shown", now + dt.timedelta(hours=1))], now=now + dt.timedelta(hours=2)).repeated == 1
    push.refresh_from_db()
    assert push.shown_at == now


def test_a_forged_or_unknown_receipt_is_counted_and_never_stored(push, now):
    other = receipt_token(uuid4(), push.wave_on)
    bad = [told(push, "clicked", token=other), Receipt("x", "shown", "y"), told(push, "exploded")]
    assert accept(bad, now=now) == Accepted(0, 0, 3)
    push.refresh_from_db()
    assert push.clicked_at is None


def test_a_close_after_a_click_is_no_dismissal(push, now):
    accept([told(push, "clicked")], now=now)
    accept([told(push, "dismissed")], now=now)
    push.refresh_from_db()
    assert push.dismissed_at is None
    assert push.shown_at == now


def test_a_click_that_comes_after_the_close_takes_the_dismissal_back(push, now):
    accept([told(push, "dismissed")], now=now)
    accept([told(push, "clicked")], now=now)
    push.refresh_from_db()
    assert push.dismissed_at is None


def test_a_devices_clock_is_held_between_the_intent_and_now(push, now):
    accept([told(push, "shown", now - dt.timedelta(days=400))], now=now)
    accept([told(push, "clicked", now + dt.timedelta(days=400))], now=now)
    push.refresh_from_db()
    assert push.shown_at == push.clicked_at == now


def test_the_log_of_receipts_has_each_once_and_is_forgotten_after_a_week(push, now):
    for kind in ("shown", "shown", "clicked"):
        accept([told(push, kind)], now=now)
    logged = list(Logged.objects.order_by("id").values_list("kind", "push_id", "message_id"))
    assert logged == [("shown", push.id, push.message_id), ("clicked", push.id, push.message_id)]
    recorded = Logged.objects.latest("recorded_at").recorded_at
    assert drop_old(now=recorded + dt.timedelta(days=6)) == 0
    assert drop_old(now=recorded + dt.timedelta(days=8)) == 2
