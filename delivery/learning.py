"""What the answers to a micro-batch say about devices, origins and the wave."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.conf import settings
from django.db.models import F

from audiences import devices
from delivery import holds
from delivery.attempts import GIVEN_UP
from delivery.gateways.base import Action
from delivery.models import Wave
from delivery.parcel import Sending
from delivery.sender import Sender

FIXES_BEFORE_PAUSE = 20


def learn(sender: Sender, wave: Wave, sendings: Sequence[Sending], *, now: dt.datetime) -> None:
    """Quarantine dead addresses, hold origins that ask for it or fail, pause a wave that is wrong."""
    dead: dict[str, list[int]] = {}
    stale: list[int] = []
    elsewhere: list[int] = []
    wrong = 0
    for one in sendings:
        outcome = one.outcome
        assert outcome is not None
        if outcome.action == Action.DROP:
            dead.setdefault(outcome.reason, []).append(one.device.id)
        elif outcome.action == Action.RESUBSCRIBE:
            stale.append(one.device.id)
        elif outcome.action == Action.SWITCH:
            elsewhere.append(one.device.id)
        elif outcome.action == Action.FIX and outcome.reason not in GIVEN_UP:
            wrong += 1
        place = (one.credential_id, sender.gateway(one.credential_id).origin(one.letter.address))
        verdict = sender.watch.see(place, outcome)
        if verdict:
            reason, seconds = verdict
            holds.hold(
                place,
                reason=reason,
                seconds=None if seconds is None else seconds * settings.HEED_TIME_SCALE,
                detail=f"{outcome.status} {outcome.detail}".strip(),
                now=now,
            )
    for reason, ids in dead.items():
        devices.quarantine(ids, reason=reason, now=now)
    if stale:
        devices.ask_to_resubscribe(stale, now=now)
    if elsewhere:
        devices.switch_environment(elsewhere)
    if wrong:
        count_fixes(wave, wrong)


def count_fixes(wave: Wave, wrong: int) -> None:
    """Messages that can never go out as they are: after twenty of them the wave waits for a person.

    A day of the send API goes on: one program's bad messages must not stop what others send.
    """
    Wave.objects.filter(pk=wave.pk).update(fix_count=F("fix_count") + wrong)
    found = Wave.objects.filter(pk=wave.pk, fix_count__gte=FIXES_BEFORE_PAUSE, state=Wave.State.RUNNING)
    found.exclude(origin=Wave.SEND_API).update(
        state=Wave.State.PAUSED, state_reason="Push services refuse its messages: see the errors."
    )
