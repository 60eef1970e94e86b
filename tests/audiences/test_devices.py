"""The life of a device: registered, moved, logged out, declared dead."""

import datetime as dt

import pytest

from audiences import devices
from audiences.devices import Registration
from audiences.models import Device, FormerOwner, Permission, Standing
from tests import make

pytestmark = pytest.mark.django_db
ENDPOINT = "https://fcm.googleapis.com/fcm/send/"


def registration(owner, address="a", **values):
    return Registration(profile_id=owner.pk, gateway="webpush", address=ENDPOINT + address, **values)


def test_registering_twice_makes_one_device(now):
    owner = make.profile()
    first = devices.register([registration(owner, key="k")], now=now)[0]
    again = devices.register([registration(owner, key="k")], now=now)[0]
    assert first.pk == again.pk
    assert Device.objects.count() == 1


def test_a_new_address_stays_the_same_device(now):
    owner = make.profile()
    device = devices.register([registration(owner, "old", key="k")], now=now)[0]
    devices.register([registration(owner, "new", previous_address=ENDPOINT + "old")], now=now)
    device.refresh_from_db()
    assert device.address == ENDPOINT + "new"
    assert device.key == "k"


def test_a_cleared_browser_with_the_same_address_keeps_one_live_row(now):
    owner = make.profile()
    devices.register([registration(owner, "a", key="one"), registration(owner, "b", key="two")], now=now)
    devices.register([registration(owner, "b", key="one")], now=now)
    assert [d.key for d in Device.objects.live()] == ["one"]
    assert Device.objects.count() == 2


def test_a_shared_device_goes_to_who_logs_in_and_both_epochs_rise(now):
    first, second = make.profile(), make.profile()
    devices.register([registration(first, key="k")], now=now)
    devices.register([registration(second, key="k")], now=now)
    assert Device.objects.get().profile == second
    assert Standing.objects.get(profile=first).epoch == 2
    assert Standing.objects.get(profile=second).epoch == 1


def test_logging_out_detaches_and_logging_in_attaches_again(now):
    owner = make.profile()
    devices.register([registration(owner, key="k")], now=now)
    assert devices.detach(keys=["k"], now=now) == 1
    assert not Device.objects.live().exists()
    devices.register([registration(owner, key="k")], now=now)
    assert Device.objects.live().exists()


def test_a_denied_permission_is_no_live_device(now):
    owner = make.profile()
    devices.register([registration(owner, key="k")], now=now)
    devices.set_permission(Permission.DENIED, keys=["k"], now=now)
    assert not Device.objects.live().exists()
    assert Standing.objects.get(profile=owner).epoch == 2


@pytest.mark.parametrize("way", ["set", "registered"])
def test_a_permission_that_is_taken_back_is_remembered_with_its_moment(now, way):
    owner, later = make.profile(), now + dt.timedelta(days=1)

    def tell(permission, at):
        if way == "set":
            devices.set_permission(permission, keys=["k"], now=at)
        else:
            devices.register([registration(owner, key="k", permission=permission)], now=at)

    devices.register([registration(owner, key="k")], now=now)
    tell(Permission.GRANTED, now)
    assert Device.objects.get().permission_lost_at is None
    tell(Permission.DENIED, later)
    tell(Permission.DENIED, later + dt.timedelta(days=1))
    assert Device.objects.get().permission_lost_at == later
    tell(Permission.GRANTED, later + dt.timedelta(days=2))
    device = Device.objects.get()
    assert (device.permission, device.permission_lost_at) == ("granted", later)


def test_a_permission_that_was_never_granted_is_not_lost(now):
    devices.register([registration(make.profile(), key="k", permission=Permission.DENIED)], now=now)
    devices.set_permission(Permission.NOT_ASKED, keys=["k"], now=now)
    assert Device.objects.get().permission_lost_at is None


def test_two_registrations_of_one_device_in_a_batch_are_one_device(now):
    owner = make.profile()
    devices.register([registration(owner, "a", key="k"), registration(owner, "b", key="k")], now=now)
    assert [d.address for d in Device.objects.all()] == [ENDPOINT + "b"]


def test_a_batch_costs_a_fixed_number_of_queries(now, django_assert_max_num_queries):
    owners = [make.profile() for _ in range(40)]
    batch = [registration(owner, str(i), key=str(i)) for i, owner in enumerate(owners)]
    devices.register(batch[:20], now=now)
    with django_assert_max_num_queries(8):
        devices.register(batch, now=now)


def test_a_device_that_comes_back_is_nobody_elses_any_more(now):
    first, second = make.profile(), make.profile()
    for owner in (first, second, first):
        devices.register([registration(owner, key="k")], now=now)
    assert [one.profile for one in FormerOwner.objects.all()] == [second]


def test_a_permission_that_somebody_lost_is_not_the_next_owners(now):
    first, second = make.profile(), make.profile()
    devices.register([registration(first, key="k")], now=now)
    devices.set_permission(Permission.DENIED, keys=["k"], now=now)
    devices.register([registration(second, key="k", permission="granted")], now=now)
    assert Device.objects.get().permission_lost_at is None


def test_a_new_row_and_a_known_one_that_turn_out_to_be_one_device_are_one(now):
    owner = make.profile()
    devices.register([registration(owner, "held", key="old")], now=now)
    batch = [registration(owner, "fresh", key="k"), registration(owner, "held", key="k")]
    assert len({device.pk for device in devices.register(batch, now=now)}) == 1
    device = Device.objects.get()
    assert (device.key, device.address) == ("k", ENDPOINT + "held")
