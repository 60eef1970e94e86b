"""People who do as they please while waves go out: log in and out, change addresses, leave, come back, become one."""

from __future__ import annotations

import datetime as dt
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection, transaction

from audiences import consent, devices
from audiences.arrivals import Arrival, ConsentSaid, DeviceSaid, Keys
from audiences.consent import NewChoice
from audiences.devices import device_key
from audiences.identity import MergeRefused, merge
from audiences.look_up import profile_named
from audiences.models import Profile, Topic
from audiences.registration import arrive
from audiences.standing import raise_epochs
from tests import make

WORDS = ConsentSaid(text="May we?", version="1", source="soft prompt")


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Handset:
    """One browser or phone, numbered; its address changes, its id stays."""

    def __init__(self, gateway: str, service: Any, number: int) -> None:
        self.gateway = gateway
        self.service = service
        self.number = number
        self.rotations = 0
        self.lock = threading.Lock()

    @property
    def key(self) -> str:
        return device_key(self.gateway, f"{self.gateway}-{self.number}")

    def said(self) -> DeviceSaid:
        place = self.number + 10_000 * self.rotations
        values: dict[str, Any] = {"id": f"{self.gateway}-{self.number}", "gateway": self.gateway}
        if self.gateway == "webpush":
            (one,) = self.service.subscribe(1, first=place)
            return DeviceSaid(address=one.endpoint, keys=Keys(p256dh=one.p256dh, auth=one.auth), **values)
        app = make.APP if self.gateway == "apns" else ""
        return DeviceSaid(address=self.service.token(place), app=app, **values)

    def sign_in(self, who: str, *, asked: bool = False, rotates: bool = False) -> None:
        with self.lock:
            previous = self.said().address if rotates else None
            self.rotations += rotates
            arrival = Arrival(
                device=self.said(), user_id=who, previous_address=previous, consent=WORDS if asked else None
            )
            arrive([arrival], source=None, now=now())


class Crowd:
    """`names` and their handsets, and threads that each do one thing after another to some of them, by chance."""

    def __init__(self, names: Sequence[str], handsets: Sequence[Handset], *, topic: Topic, seed: int) -> None:
        self.names = names
        self.handsets = handsets
        self.topic = topic
        self.draw = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.failures: list[BaseException] = []
        self.stopping = threading.Event()
        self.threads: list[threading.Thread] = []

    def arrive(self) -> None:
        for number, handset in enumerate(self.handsets):
            handset.sign_in(self.names[number % len(self.names)])

    def start(self, threads: int, *, pause: float) -> None:
        for _ in range(threads):
            thread = threading.Thread(target=self._live, args=(random.Random(self.draw.random()), pause))
            thread.start()
            self.threads.append(thread)

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _live(self, draw: random.Random, pause: float) -> None:
        deeds: list[Callable[[random.Random], None]] = [self.leave, self.come_back, self.sign_in, self.sign_out]
        deeds += [self.sign_in, self.come_back, self.come_back, self.change_address, self.become_one, self.forbid]
        try:
            while not self.stopping.wait(draw.uniform(0, pause)):
                deed = draw.choice(deeds) if draw.random() > 0.01 else self.be_erased
                try:
                    deed(draw)
                except MergeRefused:
                    continue
                self.done[deed.__name__] += 1
        except BaseException as problem:
            self.failures.append(problem)
            raise
        finally:
            connection.close()

    def _someone(self, draw: random.Random) -> Profile | None:
        return profile_named(draw.choice(self.names))

    def leave(self, draw: random.Random) -> None:
        self._choose(draw, "out")

    def come_back(self, draw: random.Random) -> None:
        self._choose(draw, "in")

    def _choose(self, draw: random.Random, decision: Any) -> None:
        if person := self._someone(draw):
            topic_id = draw.choice([None, self.topic.pk])
            said = NewChoice(profile_id=person.pk, topic_id=topic_id, decision=decision, source="storm")
            consent.record([said], now=now())

    def sign_in(self, draw: random.Random) -> None:
        draw.choice(self.handsets).sign_in(draw.choice(self.names), asked=draw.random() < 0.3)

    def change_address(self, draw: random.Random) -> None:
        draw.choice(self.handsets).sign_in(draw.choice(self.names), rotates=True)

    def sign_out(self, draw: random.Random) -> None:
        devices.detach(keys=[draw.choice(self.handsets).key], now=now())

    def forbid(self, draw: random.Random) -> None:
        devices.set_permission("denied", keys=[draw.choice(self.handsets).key], now=now())

    def become_one(self, draw: random.Random) -> None:
        one, other = self._someone(draw), self._someone(draw)
        if draw.random() < 0.3 and one and other and one != other:
            merge(one.pk, other.pk, now=now())

    def be_erased(self, draw: random.Random) -> None:
        if person := self._someone(draw):
            with transaction.atomic():
                Profile.objects.select_for_update(no_key=True).get(pk=person.pk)
                raise_epochs([person.pk])
                Profile.objects.filter(pk=person.pk).update(erased_at=now())
