"""Gate 19, over a batch: which pushes may go now, by their credential's limit and FCM's rhythm; the others wait.

A wave's own limit is asked before the claim (`allowance`): no more is claimed than may go.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence

from django.conf import settings

from audiences.models import Device
from delivery import rhythm, throttle
from delivery.gates.facts import THROTTLED, Facts
from delivery.gates.verdict import Effect, Verdict
from delivery.gateways.base import Action
from delivery.models import Wave
from delivery.parcel import Parcel, Sending
from delivery.recording import NotSent
from delivery.routes import Routes


def allowance(wave: Wave, wanted: int) -> int:
    """How many messages of this wave may be claimed now."""
    if wave.per_minute is None:
        return wanted
    return throttle.take(throttle.of_wave(wave), per_minute=wave.per_minute, again=wanted).granted


def give_back_allowance(wave: Wave, unused: int) -> None:
    if wave.per_minute is not None:
        throttle.give_back(throttle.of_wave(wave), unused, per_minute=wave.per_minute)


class Pacer:
    """The turns of one batch: taken for all of it at once, given back where they were not used."""

    def __init__(self, wave: Wave, routes: Routes) -> None:
        self.wave = wave
        has_fcm = any(credential.gateway == Device.Gateway.FCM for credential in routes.credentials)
        self.has_rhythm = has_fcm and rhythm.binds(wave)
        limits = {credential.pk: throttle.limit_of(credential) for credential in routes.credentials}
        self.limits = {pk: limit for pk, limit in limits.items() if limit is not None}
        self.unused: Counter[int] = Counter()

    def admit(self, parcels: Sequence[Parcel], *, now: dt.datetime) -> tuple[list[Parcel], list[NotSent]]:
        """The parcels with what may go now; those with nothing left wait until the first of their devices is free."""
        if self.has_rhythm:
            for parcel in parcels:
                self._release(parcel, now=now)
        self._take(parcels)
        going: list[Parcel] = []
        waiting: list[NotSent] = []
        for parcel in parcels:
            if parcel.waits is None or parcel.sendings:
                going.append(parcel)
                continue
            frees_at, reason = parcel.waits
            no = Verdict.no("throttle", reason, effect=Effect.DEFER, frees_at=frees_at)
            waiting.append(NotSent(parcel.facts, (*parcel.verdicts, no)))
        return going, waiting

    def _release(self, parcel: Parcel, *, now: dt.datetime) -> None:
        """Take out what FCM's rhythm does not allow now."""
        if not any(one.device.gateway == "fcm" for one in parcel.sendings):
            return
        facts = parcel.facts
        found = rhythm.release(
            self.wave, facts.profile_id, now=now, margin=settings.HEED_LEASE_SECONDS, began=self._own_run(facts)
        )
        if found.frees_at:
            parcel.put_off(
                [one for one in parcel.sendings if one.device.gateway == "fcm"], found.frees_at, found.reason
            )
        elif found.good_until:
            parcel.good_until = min(parcel.good_until, found.good_until)

    def _own_run(self, facts: Facts) -> dt.datetime | None:
        """Where each message has a time of its own, its turn is counted from that, once."""
        if not rhythm.grows(self.wave) or facts.had_intent or facts.reason in (*rhythm.REASONS, THROTTLED):
            return None
        return facts.due_at

    def _take(self, parcels: Sequence[Parcel]) -> None:
        """Ask each credential that has a limit once for all its pushes in this batch."""
        wanted: dict[int, list[tuple[Parcel, Sending]]] = {}
        for parcel in parcels if self.limits else ():
            for one in parcel.sendings:
                if one.credential_id in self.limits:
                    wanted.setdefault(one.credential_id, []).append((parcel, one))
        for credential_id in sorted(wanted):
            line = sorted(wanted[credential_id], key=lambda pair: pair[0].facts.reason != THROTTLED)
            again = sum(parcel.facts.reason == THROTTLED for parcel, _ in line)
            turns = throttle.take(
                throttle.of_credential(credential_id),
                per_minute=self.limits[credential_id],
                again=again,
                fresh=len(line) - again,
                may_use_reserve=self.wave.message_class == "transactional",
            )
            self.unused[credential_id] += turns.granted
            for (parcel, one), due_at in zip(line[turns.granted :], turns.later, strict=True):
                parcel.put_off([one], due_at, THROTTLED)

    def used(self, sendings: Sequence[Sending]) -> None:
        """These were posted, or at least begun."""
        for one in sendings if self.unused else ():
            if one.outcome is None or one.outcome.action != Action.NOT_BEGUN:
                self.unused[one.credential_id] -= 1

    def give_back(self) -> None:
        """What was taken and not used is free for others."""
        for credential_id, limit in self.limits.items():
            throttle.give_back(throttle.of_credential(credential_id), self.unused[credential_id], per_minute=limit)
        self.unused.clear()
