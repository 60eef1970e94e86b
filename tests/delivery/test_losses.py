"""A push service that calls nearly everybody dead is not believed; one that loses a few here and there is."""

import datetime as dt
from collections import Counter

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from audiences import upkeep
from audiences.models import Device, Standing
from delivery import holds, losses
from delivery.dispatch import drain_batch
from delivery.models import Credential, Hold, Loss, Message, Push, Wave
from delivery.restore import restore, set_aside
from tests import make
from tests.delivery.sending import drain, planned, reachable, sender, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def site(real_now):
    make.credential()
    make.no_quiet_hours()


def set_aside_count():
    return Device.objects.filter(quarantined_at__isnull=False).count()


def test_a_service_that_calls_everybody_dead_takes_a_few_hundred_and_stops_the_wave(push_service, real_now):
    push_service.control(default="410", check=False)
    wave = planned(reachable(push_service, 1200), now=real_now)
    with sender() as one, sender() as two:
        for mine in (one, two, one, two, one, two):
            drain_batch(mine)
    wave.refresh_from_db()
    assert set_aside_count() == losses.MOST
    assert (wave.state, wave.state_reason) == (Wave.State.PAUSED, losses.PAUSED_BECAUSE)
    hold = Hold.objects.get()
    assert (hold.reason, hold.until) == ("mass_drop", None)
    counted = states(wave)
    assert counted["dropped(gone)"] == losses.MOST
    assert sum(counted.values()) == 1200
    assert "rejected" not in str(counted)


def test_what_was_one_dead_address_too_many_waits_without_costing_an_attempt(push_service, real_now):
    push_service.control(default="410", check=False)
    wave = planned(reachable(push_service, 450), now=real_now)
    drain()
    waiting = Push.objects.filter(wave=wave, state="retry")
    assert waiting.count() == len(push_service.requests) - losses.MOST > 0
    assert set(waiting.values_list("reason", "attempt")) == {("mass_drop", 0)}


@pytest.mark.parametrize("share", [0.3, 0.45])
def test_an_old_list_with_many_dead_addresses_passes(push_service, real_now, share):
    count = 1500
    dead = {f"{n}-device": ["410"] for n in range(count) if (n * 7919 % 1000) / 1000 < share}
    push_service.control(scripts=dead, check=False)
    wave = planned(reachable(push_service, count), now=real_now)
    drain()
    assert states(wave) == {"sent": count - len(dead), "dropped(gone)": len(dead)}
    assert set_aside_count() == len(dead) > losses.MOST
    assert not Hold.objects.exists()


def test_nearly_all_dead_is_stopped_before_five_hundred_are_set_aside(push_service, real_now):
    count = 900
    push_service.control(default="410", scripts={f"{n}-device": ["201"] for n in range(0, count, 10)}, check=False)
    planned(reachable(push_service, count), now=real_now)
    drain()
    assert losses.MOST <= set_aside_count() <= 500
    assert Hold.objects.get().reason == "mass_drop"


def test_a_day_of_the_send_api_is_held_but_not_paused(push_service, real_now):
    push_service.control(default="410", check=False)
    wave = planned(reachable(push_service, 450), now=real_now, origin=Wave.SEND_API)
    drain()
    wave.refresh_from_db()
    assert wave.state == Wave.State.RUNNING
    assert Hold.objects.get().reason == "mass_drop"


def test_everything_comes_back_with_the_messages_that_were_lost_by_it(push_service, real_now):
    push_service.control(default="410", check=False)
    people = reachable(push_service, 600)
    wave = planned(people, now=real_now)
    drain()
    before = dict(Standing.objects.values_list("profile_id", "epoch"))
    lost = set(Device.objects.filter(quarantined_at__isnull=False).values_list("profile_id", flat=True))

    loss = Loss.objects.get()
    found = set_aside(since=loss.since, reason="gone", credential=Hold.objects.get().credential)
    assert [(one.count, one.origin) for one in found] == [(losses.MOST, push_service.origin)]
    done = restore(found, since=loss.since, now=dt.datetime.now(dt.UTC))
    assert (done.devices, done.messages) == (losses.MOST, losses.MOST)
    assert set_aside_count() == 0
    after = dict(Standing.objects.values_list("profile_id", "epoch"))
    assert all(after[pk] > before[pk] for pk in lost), "what was judged meanwhile is judged again"

    push_service.control(default="201")
    holds.resume(Hold.objects.all())
    Wave.objects.update(state=Wave.State.RUNNING)
    Message.objects.filter(state="queued").update(due_at=real_now)
    Push.objects.filter(state="retry").update(due_at=real_now)
    drain()
    assert states(wave) == {"sent": 600}
    accepted = Counter(request["token"] for request in push_service.requests if request["step"] == "201")
    assert set(accepted.values()) == {1}, "nobody got it twice"


def test_what_a_worker_set_aside_whose_clock_is_behind_comes_back_too(push_service, real_now):
    """Each worker carries the database's time forward by itself: the first to count is not the one with the earliest."""
    ahead = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)
    Loss.objects.create(credential=Credential.objects.get(), origin=push_service.origin, count=32, since=ahead)
    push_service.control(default="410", check=False)
    planned(reachable(push_service, 450), now=real_now)
    drain()
    since = Loss.objects.get().since
    done = restore(set_aside(since=since), since=since, now=dt.datetime.now(dt.UTC))
    assert done.devices == losses.MOST - 32
    assert set_aside_count() == 0


def test_a_second_mistake_after_going_on_is_stopped_again(push_service, real_now):
    push_service.control(default="410", check=False)
    planned(reachable(push_service, 450), now=real_now)
    drain()
    holds.resume(Hold.objects.all())
    planned(reachable(push_service, 1000, first=450), now=real_now)
    drain()
    assert set_aside_count() == 2 * losses.MOST
    assert Hold.objects.get().reason == "mass_drop"


def test_somebody_who_knows_that_they_are_gone_is_believed_for_a_day(push_service, real_now):
    push_service.control(default="410", check=False)
    planned(reachable(push_service, 450), now=real_now)
    drain()
    held = list(Hold.objects.all())
    losses.believe([(hold.credential_id, hold.origin) for hold in held], now=dt.datetime.now(dt.UTC))
    holds.resume(held)
    wave = planned(reachable(push_service, 900, first=450), now=real_now)
    drain()
    assert states(wave) == {"dropped(gone)": 900}
    Loss.objects.update(believed_until=real_now - dt.timedelta(hours=1))
    planned(reachable(push_service, 450, first=1350), now=real_now)
    drain()
    assert Hold.objects.get().reason == "mass_drop"


def test_devices_of_another_credential_or_reason_stay_set_aside(push_service, real_now, capsys):
    keyed = make.credential(public_key="other")
    first = Credential.objects.order_by("pk").first()
    people = reachable(push_service, 3)
    gone = real_now - dt.timedelta(minutes=5)
    Device.objects.update(quarantined_at=gone, quarantine_reason="gone", sender_key=keyed.public_key)
    Device.objects.filter(profile=people[0]).update(quarantine_reason="superseded")
    Device.objects.filter(profile=people[1]).update(sender_key=first.public_key)
    since = f"{gone - dt.timedelta(minutes=1):%Y-%m-%dT%H:%M}"
    call_command("restore_devices", "--since", since, "--credential", keyed.name, "--dry-run")
    assert "1 device can be brought back" in capsys.readouterr().out
    call_command("restore_devices", "--since", since, "--credential", keyed.name)
    assert "1 device is back" in capsys.readouterr().out
    assert Device.objects.get(quarantined_at=None).profile == people[2]


def test_the_command_says_what_it_does_not_understand(capsys):
    with pytest.raises(CommandError, match="2026-11-25T10:02"):
        call_command("restore_devices", "--since", "yesterday")
    with pytest.raises(CommandError, match="no push credential"):
        call_command("restore_devices", "--since", "2026-11-25", "--credential", "nobody")


def test_after_thirty_days_a_dead_address_is_forgotten_and_its_row_stays(real_now):
    old, young, live = (make.device(make.profile(), p256dh="key", auth="auth") for _ in range(3))
    Device.objects.filter(pk=old.pk).update(quarantined_at=real_now - dt.timedelta(days=31), quarantine_reason="gone")
    Device.objects.filter(pk=young.pk).update(quarantined_at=real_now - dt.timedelta(days=29), quarantine_reason="gone")
    assert upkeep.forget_dead_addresses(now=real_now) == 1
    assert upkeep.forget_dead_addresses(now=real_now) == 0
    old.refresh_from_db()
    assert (old.address, old.p256dh, old.auth) == (f"forgotten:{old.pk}", "", "")
    assert old.quarantine_reason == "gone"
    for other in (young, live):
        address = other.address
        other.refresh_from_db()
        assert other.address == address
    assert (
        restore(
            set_aside(since=real_now - dt.timedelta(days=40)), since=real_now - dt.timedelta(days=40), now=real_now
        ).devices
        == 1
    )
    old.refresh_from_db()
    assert old.quarantined_at is not None
