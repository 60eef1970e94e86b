"""What tests of delivery share: a content source of their own, and a sender in this process."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from audiences.models import Device, Profile, Standing
from delivery.content import Rendered, Unrenderable, register
from delivery.dispatch import drain_batch
from delivery.lanes import Lane
from delivery.models import Message, Push, Wave
from delivery.sender import Sender, build_sender
from tests import make
from tests.gateways.apns import ApnsService
from tests.gateways.fcm import FcmService


class Plain:
    """Says hello; `refuse` are profiles whose content does not render."""

    def __init__(self) -> None:
        self.refuse: set[int] = set()
        self.rendered: list[int] = []

    def render(self, wave: Wave, batch: Any, *, now: Any) -> list[Rendered | Unrenderable]:
        self.rendered += [one.profile_id for one in batch]
        return [
            Unrenderable("missing_value", "title: first_name is empty")
            if one.profile_id in self.refuse
            else Rendered({"title": "Hello", "body": f"for {one.profile_id}", "tag": f"w{wave.pk}"}, 3600)
            for one in batch
        ]


plain = Plain()
register("test", plain)


def reachable(service: Any, count: int, *, first: int = 0) -> list[Profile]:
    """Profiles with one device each at the scripted push service, made in bulk. Device n has token `n-device`."""
    start = Profile.objects.count()
    profiles = Profile.objects.bulk_create(
        Profile(external_id=f"reach-{start}-{n}", created_at=make.NOW, last_seen_at=make.NOW) for n in range(count)
    )
    Standing.objects.bulk_create(Standing(profile=profile) for profile in profiles)
    subscribed(service, profiles, first=first)
    return profiles


def phones(count: int, gateway: str, *, first: int = 0, **values: Any) -> list[Profile]:
    """People with one phone each, whose token is that of its number at the scripted service."""
    token = {"fcm": FcmService.token, "apns": ApnsService.token}[gateway]
    people = [make.profile() for _ in range(count)]
    for number, person in enumerate(people, first):
        make.device(person, gateway=gateway, address=token(number), **values)
    return people


def subscribed(service: Any, profiles: Sequence[Profile], *, first: int = 0, now: dt.datetime = make.NOW) -> None:
    """One device each for these profiles at the scripted push service, made in bulk."""
    Device.objects.bulk_create(
        Device(
            profile=profile,
            gateway="webpush",
            address=one.endpoint,
            p256dh=one.p256dh,
            auth=one.auth,
            created_at=now,
            registered_at=now,
            last_seen_at=now,
        )
        for profile, one in zip(profiles, service.subscribe(len(profiles), first=first), strict=True)
    )


@transaction.atomic
def planned(profiles: list[Profile], *, now: Any, arm: str = "told", **values: Any) -> Wave:
    """A running wave with one message for each profile, due now by the real clock. Both at once: a wave without open
    messages is finished by the next sweep."""
    wave = make.wave(
        **{
            "content_source": "test",
            "wave_on": now.date(),
            "due_at": now - dt.timedelta(seconds=5),
            "created_at": now - dt.timedelta(seconds=5),
            "planned_at": now,
            "expires_at": now + dt.timedelta(hours=2),
            **values,
        }
    )
    epochs = dict(Standing.objects.filter(profile__in=profiles).values_list("profile_id", "epoch"))
    Message.objects.bulk_create(
        Message(
            wave=wave,
            wave_on=wave.wave_on,
            profile=profile,
            arm=arm,
            due_at=wave.due_at,
            planned_at=wave.created_at,
            planned_epoch=epochs[profile.pk],
        )
        for profile in profiles
    )
    return wave


@contextmanager
def sender() -> Any:
    made: Sender = build_sender()
    yield made
    made.close()


def drain() -> int:
    """Everything that is due, with one sender."""
    count = 0
    with sender() as mine:
        while done := drain_batch(mine, lane=Lane.NOW) or drain_batch(mine):
            count += done
    return count


def states(wave: Wave) -> dict[str, int]:
    """How many messages of the wave stand in each state (with its reason)."""
    found: dict[str, int] = {}
    for state, reason in Message.objects.filter(wave=wave).values_list("state", "reason"):
        name = f"{state}({reason})" if reason else state
        found[name] = found.get(name, 0) + 1
    return found


def pushes(wave: Wave) -> list[Push]:
    return list(Push.objects.filter(wave=wave).order_by("device_id"))
