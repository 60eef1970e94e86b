"""Calls in, profiles and events out: a batch is stored in a few statements and one transaction.

What is accepted is durable when `accept` returns; what is repeated within seven days is stored once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.db import transaction
from django.db.models import F

from audiences import event_rows, names_seen
from audiences.calls import Call, Context, Malformed, Said, is_zone, read
from audiences.mobile import Room, SaidBy, heed_tokens
from audiences.models import Source
from audiences.partitions import ensure_months
from audiences.people import People, Person
from audiences.races import again_where_lost
from audiences.sources import is_proven
from audiences.statements import joined, rows, run

DAY = dt.timedelta(days=1)
OLDEST_PUBLIC = dt.timedelta(days=400)
OLDEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
# Less than this between `sentAt` and receipt is the way through the network, not a wrong clock.
LATENCY = dt.timedelta(seconds=5)
RESERVED = ("$", "heed_")
PUBLIC_RESERVED = frozenset({"consent", "email_verified"})
NO_SOURCE = 0  # in the list of seen message ids
PAGES = {"page": "Page Viewed", "screen": "Screen Viewed"}


@dataclass(slots=True)
class Accepted:
    """What became of a batch. `rejected` names the index, the path and the reason of each call that was refused.

    `calls` are the good ones as (index, call); `owners` the profile of each of them, by index: absent where the call
    was a repeat, or its person is erased (`dropped`). `unproven` named somebody without proof; `unknown_zones` and
    `wrong_clocks` (more than a day ahead: their time is that of receipt) were stored all the same. `learned` are the
    attributes that were taken, one mapping a call.
    """

    stored: int = 0
    repeated: int = 0
    dropped: int = 0
    unproven: int = 0
    unknown_zones: int = 0
    wrong_clocks: int = 0
    learned: list[Mapping[str, Any]] = field(default_factory=list)
    rejected: list[tuple[int, str, str]] = field(default_factory=list)
    calls: list[tuple[int, Call]] = field(default_factory=list)
    owners: dict[int, int] = field(default_factory=dict)


class Caller:
    """Who sends: what `accept` needs to know of a source, or of the company's own services (no source)."""

    def __init__(self, source: Source | None, device_room: Room | None = None) -> None:
        self.source = source
        self.device_room = device_room
        self.source_id: int | None = source.pk if source else None
        self.is_trusted: bool = source is None or source.is_trusted
        self.asks_proof: bool = source is not None and source.requires_proof and not source.is_trusted

    def is_proven(self, user_id: str, proof: str) -> bool:
        return self.source is None or is_proven(self.source, user_id, proof)


def accept(
    calls: Sequence[bytes | msgspec.Raw | Mapping[str, Any]],
    *,
    source: Source | None,
    now: dt.datetime,
    sent_at: dt.datetime | None = None,
    context: Context | None = None,
    kind: str | None = None,
    device_room: Room | None = None,
) -> Accepted:
    """Store a batch of calls of one source: raw JSON, or mappings of the same shape.

    `sent_at` and `context` are the envelope's, for calls without their own; `kind` is the type that the address says.
    `device_room` is asked how many of so many new devices may be stored. Without a source the calls are the company's
    own and trusted.
    Never raises for a bad call: it is in `rejected`. Raises DatabaseError where nothing was stored.
    """
    caller = Caller(source, device_room)
    checked = Accepted()
    times: list[dt.datetime] = []
    for index, raw in enumerate(calls):
        try:
            call = read(raw, kind=kind)
            if call.context is None:
                call.context = context
            times.append(_occurred_at(call, checked, sent_at=sent_at, now=now, is_trusted=caller.is_trusted))
        except Malformed as bad:
            checked.rejected.append((index, bad.path, bad.reason))
            continue
        checked.calls.append((index, call))
    if not checked.calls:
        return checked
    ensure_months("audiences_event", {when.date() for when in times})
    result = _stored(checked, times, caller, now=now)
    _take_note(result, source, now=now)
    return result


def _occurred_at(
    call: Call, result: Accepted, *, sent_at: dt.datetime | None, now: dt.datetime, is_trusted: bool
) -> dt.datetime:
    """When it happened, by our clock: the difference between `sentAt` and receipt is the device's error."""
    when = call.original_timestamp or call.timestamp
    if when is None:
        return now
    sent = call.sent_at or sent_at
    if sent is not None and abs(now - sent) > LATENCY:
        try:
            when += now - sent
        except OverflowError:
            when = now
    if when > now + DAY:
        result.wrong_clocks += 1
        if call.context is None:
            call.context = Context(clock="ahead")
        else:
            call.context = msgspec.structs.replace(call.context, clock="ahead")
        return now
    if when < OLDEST:
        raise Malformed("timestamp", "Events before the year 2000 are not kept.")
    if not is_trusted and when < now - OLDEST_PUBLIC:
        raise Malformed("timestamp", "With a public key, events may be 400 days old at most.")
    return when.astimezone(dt.UTC)


def _stored(checked: Accepted, times: Sequence[dt.datetime], caller: Caller, *, now: dt.datetime) -> Accepted:
    def attempt(is_again: bool) -> Accepted:
        result = Accepted(wrong_clocks=checked.wrong_clocks, rejected=list(checked.rejected), calls=checked.calls)
        with transaction.atomic():
            _Batch(result, times, caller, now=now, may_repeat=is_again).store()
        return result

    return again_where_lost(attempt)


# Repeats are rare, and looking for them costs a third of the insert: a batch that has one fails and is stored again
# with the second statement.
_SEEN_NONE = """
INSERT INTO audiences_seencall (source_id, message_id, seen_at)
SELECT %s::bigint, string_to_table(%s, E'\\x1f'), %s::timestamptz
"""
_SEEN_SOME = _SEEN_NONE + "ON CONFLICT DO NOTHING RETURNING message_id"


class _Batch:
    """One attempt at storing a batch."""

    def __init__(
        self, result: Accepted, times: Sequence[dt.datetime], caller: Caller, *, now: dt.datetime, may_repeat: bool
    ) -> None:
        self.result = result
        self.times = times
        self.caller = caller
        self.now = now
        self.may_repeat = may_repeat

    def store(self) -> None:
        result = self.result
        users, visitors, may_link = _named(call for _, call in result.calls)
        fresh = self._fresh()
        people = People(users, visitors, may_link=may_link, now=self.now)
        owned: list[tuple[int, Person]] = []
        events: list[tuple[Person, Call, dt.datetime]] = []
        for (index, call), when in zip(result.calls, self.times, strict=True):
            if call.message_id not in fresh:
                result.repeated += 1
                continue
            fresh.discard(call.message_id)  # a repeat within the batch
            try:
                unproven = result.unproven
                person = self._owner(people, call)
            except Malformed as bad:
                result.rejected.append((index, bad.path, bad.reason))
                continue
            if person.erased:
                result.dropped += 1
                continue
            self._learn(person, call, when, may_describe=result.unproven == unproven)
            owned.append((index, person))
            if call.type in ("track", "page", "screen"):
                events.append((person, call, when))
        people.save(now=self.now)
        event_rows.store(
            [_row(person.final().row(), call, when) for person, call, when in events],
            source_id=self.caller.source_id,
            now=self.now,
        )
        result.owners = {index: person.final().row() for index, person in owned}
        result.stored = len(owned)
        result.rejected.sort()
        heed_tokens(
            (
                SaidBy(result.owners[index], call, when)
                for (index, call), when in zip(result.calls, self.times, strict=True)
                if call.context is not None and call.context.device is not None and index in result.owners
            ),
            room=self.caller.device_room,
            now=self.now,
        )

    def _fresh(self) -> set[str | int | float | None]:
        """The message ids that were not seen before. They are marked as seen in this transaction."""
        ids = sorted({str(call.message_id) for _, call in self.result.calls})
        parameters = [self.caller.source_id or NO_SOURCE, joined(ids), self.now]
        if self.may_repeat:
            return {row[0] for row in rows(_SEEN_SOME, parameters)}
        run(_SEEN_NONE, parameters)
        return set(ids)

    def _owner(self, people: People, call: Call) -> Person:
        """Whose call it is. What a public key says of an id that is vouched for needs proof."""
        user_id, anonymous_id = call.user_id, call.anonymous_id
        if user_id is None:
            return people.visitor(str(anonymous_id))
        user_id = str(user_id)
        known = people.users.get(user_id)
        if self.caller.asks_proof and anonymous_id is None and not self.caller.is_proven(user_id, call.proof()):
            # Said of ids that exist and of those that do not: nobody learns here who is known.
            self.result.unproven += 1
            raise Malformed("userHash", "With a public key, a userId needs a userHash, or an anonymousId beside it.")
        if known is not None and known.final().erased:
            return known.final()
        if self.caller.asks_proof and not self._may_claim(people, known, user_id, call):
            self.result.unproven += 1
            return people.visitor(str(anonymous_id))
        if call.type == "alias" and not self.caller.is_trusted:
            # Only a secret key merges two known users; for others the previous id is a visitor's.
            person = people.link(str(call.previous_id), user_id)
        elif call.type == "alias":
            person = people.alias(str(call.previous_id), user_id)
        elif call.type == "identify" and anonymous_id is not None:
            person = people.link(str(anonymous_id), user_id)
        else:
            person = people.user(user_id)
        if self.caller.is_trusted and not person.is_vouched:
            person.is_vouched = person.vouch = person.is_changed = True
        return person

    def _may_claim(self, people: People, known: Person | None, user_id: str, call: Call) -> bool:
        if known is None or not known.final().is_vouched:
            return True
        visitor = people.visitors.get(str(call.anonymous_id))
        if visitor is not None and visitor.final() is known.final():
            return True  # this browser was theirs already, and the call changes nothing of that
        return self.caller.is_proven(user_id, call.proof())

    def _learn(self, person: Person, call: Call, when: dt.datetime, *, may_describe: bool) -> None:
        context = call.context
        if context is not None and when >= person.heard:
            person.heard = when
            zone, locale = context.timezone, context.locale
            if zone and zone != person.zone:
                if is_zone(zone):
                    person.zone = zone
                    person.is_changed = True
                else:
                    self.result.unknown_zones += 1
            if locale and locale != person.locale and len(locale) <= 35:
                person.locale = locale.replace("\0", "")
                person.is_changed = True
        if when > person.seen:
            person.seen = min(when, self.now)
        if call.type == "identify":
            said = self._attributes(call.said())
        elif call.type == "group":
            said = {"group_id": call.group_id}
            if call.traits:
                said["group"] = self._attributes(call.traits)
        else:
            return
        if not said or not may_describe:
            return
        if self._may_describe(person, call):
            person.attributes.update(said)
            person.is_changed = True
            self.result.learned.append(said)
        else:
            self.result.unproven += 1

    def _may_describe(self, person: Person, call: Call) -> bool:
        if not self.caller.asks_proof or not person.is_vouched:
            return True
        return call.user_id is not None and self.caller.is_proven(str(call.user_id), call.proof())

    def _attributes(self, traits: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: value
            for name, value in traits.items()
            if not name.startswith(RESERVED)
            and name != "userHash"
            and (self.caller.is_trusted or name not in PUBLIC_RESERVED)
        }


def _named(calls: Iterable[Call]) -> tuple[list[str], list[str], bool]:
    """The user ids and anonymous ids that the calls name, each once, and whether some may link or merge."""
    users: dict[Said, None] = {}
    visitors: dict[Said, None] = {}
    may_link = False
    for call in calls:
        if call.user_id is not None:
            users[call.user_id] = None
        if call.anonymous_id is not None:
            visitors[call.anonymous_id] = None
        if call.type == "alias":
            users[call.previous_id] = visitors[call.previous_id] = None
            may_link = True
        elif call.type == "identify" and call.user_id is not None and call.anonymous_id is not None:
            may_link = True
    return [str(one) for one in users], [str(one) for one in visitors], may_link


def _row(profile_id: int, call: Call, when: dt.datetime) -> event_rows.Row:
    properties = call.properties
    if call.type == "track":
        name = str(call.event)
    else:
        name = PAGES[call.type]
        said = {key: value for key, value in (("name", call.name), ("category", call.category)) if value}
        properties = said | (properties or {})
    context = _NO_CONTEXT if call.context is None else _stored_context(call.context)
    return event_rows.Row(profile_id, name, when, properties, context, call.type, str(call.message_id))


_NO_CONTEXT = event_rows.json_field(None)


def _stored_context(context: Context) -> bytes:
    """As it is stored with an event: neither proofs nor push tokens nor attributes lie about there."""
    kept: bytes | None = context.__dict__.get("stored")
    if kept is None:
        bare = msgspec.structs.replace(context, user_hash=None, device=None, traits=None)
        kept = context.__dict__["stored"] = event_rows.json_field(bare)
    return kept


def _take_note(result: Accepted, source: Source | None, *, now: dt.datetime) -> None:
    """Bookkeeping after the commit: suggestions, and the source's own counters."""
    good = [call for index, call in result.calls if index in result.owners]
    names_seen.note(
        ((PAGES.get(call.type) or str(call.event), call.properties) for call in good if call.type in _EVENTS),
        result.learned,
        now=now,
    )
    if source is None:
        return
    if result.unproven or source.last_used_at is None or now - source.last_used_at > dt.timedelta(minutes=1):
        source.last_used_at = now
        Source.objects.filter(pk=source.pk).update(
            last_used_at=now, unproven_calls=F("unproven_calls") + result.unproven
        )


_EVENTS = frozenset({"track", "page", "screen"})
