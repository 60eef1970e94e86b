"""What the answers to a micro-batch say about devices, origins and the wave."""

from __future__ import annotations

import datetime as dt
import logging
import math
from collections.abc import Sequence

from django.conf import settings
from django.db.models import F
from msgspec.structs import replace

from audiences import feedback
from audiences.feedback import Spoken
from delivery import holds
from delivery.doubts import TOKEN_DOUBTED
from delivery.gateways.base import Action, Outcome
from delivery.holds import Place
from delivery.models import Wave
from delivery.parcel import Sending
from delivery.sender import Sender

log = logging.getLogger(__name__)
FIXES_BEFORE_PAUSE = 20
ALARMING = ("our_mistake", "token_updates")
"""Reasons that only a fault of this program explains."""


def learn_of_devices(sendings: Sequence[Sending], *, posted_at: dt.datetime, now: dt.datetime) -> None:
    """Quarantine dead addresses, and mark those that need a new subscription or belong to the other environment.

    An answer counts for the address that was pushed to, as it was registered when posting began. Where the device was
    registered again since, the push was refused for an address of the past: it is tried again.
    """
    dead: dict[str, list[Spoken]] = {}
    resubscribing: list[Spoken] = []
    elsewhere: list[Spoken] = []
    for one in sendings:
        outcome = one.outcome
        assert outcome is not None
        if outcome.action not in (Action.DROP, Action.RESUBSCRIBE, Action.SWITCH):
            continue
        as_of = min(outcome.dead_since or posted_at, posted_at)
        spoken = Spoken(one.device.id, one.letter.address, as_of)
        if outcome.action == Action.DROP:
            dead.setdefault(outcome.reason, []).append(spoken)
        elif outcome.action == Action.RESUBSCRIBE:
            resubscribing.append(spoken)
        else:
            elsewhere.append(spoken)
    changed: set[int] = set()
    for reason, found in sorted(dead.items()):
        changed |= feedback.quarantine(found, reason=reason, now=now)
    if resubscribing:
        changed |= feedback.ask_to_resubscribe(resubscribing, now=now)
    if elsewhere:
        feedback.switch_environment(elsewhere)
    for one in sendings:
        if one.outcome and one.outcome.action in (Action.DROP, Action.RESUBSCRIBE) and one.device.id not in changed:
            one.outcome = replace(one.outcome, action=Action.DELAY, reason="address_renewed")


def learn(sender: Sender, wave: Wave, sendings: Sequence[Sending], *, now: dt.datetime) -> set[Place]:
    """Hold origins that ask for it or fail, free one that answers again, pause a wave that is wrong. Returns what is
    held from now on."""
    wrong = 0
    held: dict[Place, tuple[float, Outcome]] = {}
    alarming: set[tuple[str, str]] = set()
    for one in sendings:
        outcome = one.outcome
        assert outcome is not None
        if outcome.action == Action.FIX and outcome.reason != TOKEN_DOUBTED:
            wrong += 1
        if outcome.reason in ALARMING:
            alarming.add((one.device.gateway, outcome.status))
        place = sender.place(one)
        if outcome.action == Action.SENT:
            sender.accepted[place] += 1
        if sender.watch.recovered(place, outcome):
            holds.end_trouble(place)
        verdict = sender.watch.see(place, outcome)
        if verdict:
            reason, seconds = verdict
            for_so_long = math.inf if seconds is None else seconds
            if place not in held or for_so_long > held[place][0]:
                held[place] = for_so_long, replace(outcome, reason=reason)
    for gateway, status in alarming:
        log.error("%s answers %s, which is a fault of Heed's: please report it", gateway, status)
    for place, (seconds, outcome) in held.items():
        holds.hold(
            place,
            reason=outcome.reason,
            seconds=None if seconds == math.inf else seconds * settings.HEED_TIME_SCALE,
            detail=f"{outcome.status} {outcome.detail}".strip(),
            now=now,
        )
    if wrong:
        count_fixes(wave, wrong)
    return set(held)


def count_fixes(wave: Wave, wrong: int) -> None:
    """Messages that can never go out as they are: after twenty of them the wave waits for a person."""
    Wave.objects.filter(pk=wave.pk).update(fix_count=F("fix_count") + wrong)
    if Wave.objects.filter(pk=wave.pk, fix_count__gte=FIXES_BEFORE_PAUSE).exists():
        holds.pause_wave(wave, because="Push services refuse its messages: see the errors.")
