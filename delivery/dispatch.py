"""claim → judge → render → intent → send → record, for a batch.

Whatever line a worker dies at:
- after the claim: the lease ends, the sweeper puts the messages back, to be claimed in smaller groups (suspects.py);
- after the intent, before or during the POST: the lease ends, the sweeper calls those pushes unknown, for they may have
  arrived; they are not sent again (unless the wave says must-arrive, where the copy replaces the first);
- after the record: nothing is left to do.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError

from audiences import statements
from delivery import doubts, holds, intent, lanes, outbox, pacing, recording, suspects
from delivery.attempts import weigh
from delivery.checkpoints import checkpoint
from delivery.content import Rendered, Rendering, Unrenderable, source_named
from delivery.gates.facts import DeviceFacts, Facts
from delivery.gates.fetch import Fetcher
from delivery.gates.judge import judge_each
from delivery.gates.verdict import Verdict, Verdicts, good_until
from delivery.gateways.base import Action, Letter
from delivery.lanes import Lane
from delivery.learning import learn, learn_of_devices
from delivery.losses import guard
from delivery.models import Hold, MessageClass, Wave
from delivery.parcel import Parcel, Sending, Wait
from delivery.payload import new_push_ids, payload
from delivery.recording import NotSent
from delivery.sender import Sender
from delivery.waiting import choose

log = logging.getLogger(__name__)
ROUNDS = 6
TRIES = 100


class LostSupervisor(Exception):
    """The process that watches over this worker is gone: it stops after the current micro-batch."""


def drain_batch(sender: Sender, *, limit: int = outbox.CLAIM, lane: Lane = Lane.ORDINARY) -> int:
    """Claim one batch and carry it through. Returns how many messages it held; 0 when nothing is due."""
    statements.plan_anew()
    for _ in range(TRIES):
        wave = lanes.next_wave(lane, sender.line)
        if wave is None:
            return 0
        sender.refresh()
        if count := _drain(sender, wave, limit=limit):
            return count
    return 0


def _drain(sender: Sender, wave: Wave, *, limit: int) -> int:
    allowed = pacing.allowance(wave, limit)
    claim = outbox.claim(wave, owner=sender.owner, limit=allowed) if allowed else None
    claimed_at = time.monotonic()
    count = len(claim.rows) if claim else 0
    # Where others were faster, or took the last turns, it is the next one's turn.
    sender.line.done(wave.pk, has_more=claim is not None and claim.has_more)
    checkpoint("after_claim")
    begun = 0
    if claim and count:
        batch = _Batch(sender, claim, claimed_at)
        try:
            batch.run()
        except (LostSupervisor, OperationalError, InterfaceError):
            raise  # not the messages' fault
        except Exception:
            log.exception("a batch of wave %s failed; its messages are tried in smaller groups", wave.pk)
            suspects.suspect(wave, [row["id"] for row in batch.rows], owner=sender.owner)
        begun = batch.begun
    pacing.give_back_allowance(wave, allowed - begun)
    return count


class _Batch:
    """One claim on its way. `now` is the database's moment of the claim, carried forward by our own monotonic clock."""

    def __init__(self, sender: Sender, claim: outbox.Claim, claimed_at: float) -> None:
        self.sender = sender
        self.wave = claim.wave
        self.rows = claim.rows
        self.started = claim.now
        self.claimed_at = self.renewed_at = claimed_at
        self.holds: dict[holds.Place, Hold] = {}
        self.pacer = pacing.Pacer(claim.wave, sender.routes)
        self.begun = 0
        self.stopped: set[holds.Place] = set()

    @property
    def now(self) -> dt.datetime:
        return self.started + dt.timedelta(seconds=time.monotonic() - self.claimed_at)

    def run(self) -> None:
        rows = self.rows
        for _ in range(ROUNDS):
            rows = self._round(rows)
            if not rows:
                return
        # A profile that changes faster than we judge: later.
        outbox.release(self.wave, [row["id"] for row in rows], owner=self.sender.owner)

    def _round(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Judge and send once. Returns the rows whose profile moved meanwhile, or whose sibling went first."""
        self.holds = holds.in_force(now=self.now)
        self.stopped = set()
        facts = Fetcher(self.wave, self.sender.routes).fetch(rows, now=self.now)
        first, later = _one_a_profile(facts)
        parcels, ended = self._judged(first)
        recording.not_sent(self.wave, ended, owner=self.sender.owner, now=self.now)
        checkpoint("before_intent")
        again = {one.message_id for one in later}
        for batch in micro_batches(parcels, settings.HEED_MICRO_BATCH):
            if self.sender.is_orphan():
                raise LostSupervisor
            if self.sender.is_stopping():
                outbox.release(self.wave, [row["id"] for row in rows], owner=self.sender.owner)
                self.pacer.give_back()
                return []
            self._make_way()
            batch = self._without_held(batch)
            if batch:
                again |= self._send(batch)
            self._keep(parcels)
        self.pacer.give_back()
        return [row for row in rows if row["id"] in again]

    def _make_way(self) -> None:
        """A transactional message that waits goes between two micro-batches of anything else."""
        if self.wave.message_class == MessageClass.TRANSACTIONAL or not lanes.must_make_way(self.sender.line):
            return
        wave = lanes.next_wave(Lane.NOW, self.sender.line)
        if wave:
            _drain(self.sender, wave, limit=outbox.CLAIM)

    def _without_held(self, batch: list[Parcel]) -> list[Parcel]:
        """What this batch's earlier answers put on hold is not posted any more: it goes back, to wait for the hold."""
        if not self.stopped:
            return batch
        left: list[Parcel] = []
        back: list[int] = []
        for parcel in batch:
            held = [one for one in parcel.sendings if self.sender.place(one) in self.stopped]
            if held and len(held) == len(parcel.sendings):
                back.append(parcel.facts.message_id)
                continue
            if held:
                parcel.put_off(held, self.now, "retrying")
            left.append(parcel)
        outbox.release(self.wave, back, owner=self.sender.owner)
        return left

    def _judged(self, facts: Sequence[Facts]) -> tuple[list[Parcel], list[NotSent]]:
        ended: list[NotSent] = []
        passed: list[tuple[Facts, Verdicts, Verdicts, list[DeviceFacts], Wait | None]] = []
        now = self.now
        for one, before, after in judge_each(facts, now=now):
            if not before[-1].allowed:
                ended.append(NotSent(one, before))
                continue
            devices = choose(one, held=self.holds, sender=self.sender, now=now)
            if devices.no:
                ended.append(NotSent(one, (*before, devices.no), devices.held_by, devices.due_at))
            else:
                passed.append((one, before, after, devices.chosen, devices.waits))
        rendered = source_named(self.wave.content_source).render(
            self.wave,
            [
                Rendering(one.message_id, one.profile_id, one.data, chosen[0].context if chosen else {})
                for one, _, _, chosen, _ in passed
            ],
            now=now,
        )
        parcels: list[Parcel] = []
        push_ids = new_push_ids(sum([len(chosen) for *_, chosen, _ in passed]))
        for (one, before, after, chosen, waits), content in zip(passed, rendered, strict=True):
            if isinstance(content, Unrenderable):
                no = Verdict.no("content", content.reason, detail=content.detail)
                ended.append(NotSent(one, (*before, no)))
                continue
            yes = Verdict.yes("content", used_fallback=True) if content.used_fallback else Verdict.yes("content")
            verdicts = (*before, yes, *after)
            if verdicts[-1].allowed:
                parcels.append(self._parcel(one, verdicts, chosen, content, waits, push_ids, now=now))
            else:
                ended.append(NotSent(one, verdicts))
        going, waiting = self.pacer.admit(parcels, now=now)
        return going, ended + waiting

    def _parcel(
        self,
        facts: Facts,
        verdicts: Verdicts,
        chosen: Sequence[DeviceFacts],
        content: Rendered,
        waits: Wait | None,
        push_ids: Iterator[str],
        *,
        now: dt.datetime,
    ) -> Parcel:
        wave = self.wave
        expires_at = facts.expires_at
        left = max(int((expires_at - now).total_seconds()), 1)
        sendings = []
        for device in chosen:
            earlier = facts.earlier.get(device.id)
            push_id = str(earlier.id) if earlier else next(push_ids)
            letter = Letter(
                address=device.address,
                payload=payload(
                    content.fields, push_id=push_id, wave_on=wave.wave_on, profile_id=facts.profile_id, now=now
                ),
                ttl_seconds=min(content.ttl_seconds, left),
                p256dh=device.p256dh,
                auth=device.auth,
                sender_key=device.sender_key,
                urgency=content.urgency,
                collapse=content.collapse or (facts.send_key if wave.must_arrive else ""),
                options=content.options,
                registered_at=device.registered_at,
            )
            assert device.credential_id is not None
            sendings.append(
                Sending(
                    push_id,
                    device,
                    device.credential_id,
                    (earlier.attempt if earlier else 0) + 1,
                    letter,
                    expires_at,
                    earlier=earlier,
                )
            )
        return Parcel(
            facts=facts,
            verdicts=verdicts,
            rendered=content,
            sendings=sendings,
            good_until=good_until(verdicts) or expires_at,
            settled=facts.settled if facts.earlier else [],
            waits=waits,
        )

    def _send(self, batch: Sequence[Parcel]) -> set[int]:
        """Intent, POST and record of one micro-batch. Returns the messages whose profile moved."""
        # Counted from before the commit: whoever sleeps before its answer comes must not wake with a lease of its own.
        until = time.monotonic() + settings.HEED_LEASE_SECONDS - 1
        committed = intent.commit(self.wave, batch, owner=self.sender.owner)
        checkpoint("after_intent")
        sendings = [one for parcel in committed.pushing for one in parcel.sendings]
        posted_at = self.now
        self.sender.send(sendings, now=posted_at, until=until)
        self.pacer.used(sendings)
        self.begun += len(committed.pushing)
        checkpoint("after_post")
        doubts.settle(self.sender, self.wave, sendings, now=self.now)
        guard(self.sender, self.wave, sendings, now=self.now)
        not_taken = [one for one in sendings if one.outcome and one.outcome.action != Action.SENT]
        learn_of_devices(not_taken, posted_at=posted_at, now=self.now)
        self.stopped |= learn(self.sender, self.wave, sendings, now=self.now)
        for one in not_taken:
            weigh(one, self.wave, now=self.now)
        recording.outcomes(self.wave, committed.pushing, owner=self.sender.owner)
        # Not ours any more, or the verdict ran out: what is still ours goes back and is judged anew.
        outbox.release(self.wave, [p.facts.message_id for p in committed.lost], owner=self.sender.owner)
        return {parcel.facts.message_id for parcel in committed.moved}

    def _keep(self, parcels: Sequence[Parcel]) -> None:
        """Renew the lease of what still waits in this batch, well before it ends."""
        if time.monotonic() - self.renewed_at > settings.HEED_LEASE_SECONDS / 3:
            self.renewed_at = time.monotonic()
            outbox.renew(self.wave, [p.facts.message_id for p in parcels], owner=self.sender.owner)


def micro_batches(parcels: Sequence[Parcel], most: int) -> list[list[Parcel]]:
    """Parcels in groups of at most `most` pushes (a parcel with more devices stands alone)."""
    groups: list[list[Parcel]] = []
    room = 0
    for parcel in parcels:
        size = max(len(parcel.sendings), 1)
        if not groups or size > room:
            groups.append([])
            room = most
        groups[-1].append(parcel)
        room -= size
    return groups


def _one_a_profile(facts: Sequence[Facts]) -> tuple[list[Facts], list[Facts]]:
    """The first message of each profile, and its siblings, which are judged with the first among their facts."""
    seen: set[int] = set()
    first: list[Facts] = []
    later: list[Facts] = []
    for one in facts:
        (later if one.profile_id in seen else first).append(one)
        seen.add(one.profile_id)
    return first, later
