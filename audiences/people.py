"""Whom a batch of calls speaks of: one look-up finds the profiles, a few statements make and change them.

Within a batch each profile is one `Person`; what the calls say of it gathers there, and `People.save` writes it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from django.db import connection
from django.db.backends.utils import CursorWrapper

from audiences.event_rows import encoded
from audiences.identity import merge_all
from audiences.statements import joined, rows

# `last_seen_at` is exact to this much, so that a busy profile is not rewritten with every batch.
SEEN_STEP = dt.timedelta(seconds=60)
# What was said longer ago does not change a known profile's locale and zone.
HEARD_STEP = dt.timedelta(days=1)
_LONG_AGO = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Person(msgspec.Struct, eq=False):
    """One profile, in memory for one batch."""

    id: int | None = None
    external_id: str | None = None  # only where it is to be written
    is_known: bool = False
    is_vouched: bool = False
    vouch: bool = False
    erased: bool = False
    seen: dt.datetime = _LONG_AGO
    seen_before: dt.datetime = _LONG_AGO
    heard: dt.datetime = _LONG_AGO
    locale: str = ""
    zone: str = ""
    attributes: dict[str, Any] = {}
    into: Person | None = None
    is_changed: bool = False

    def final(self) -> Person:
        """The one that stays, when this one was merged."""
        person = self
        while person.into is not None:
            person = person.into
        return person

    def row(self) -> int:
        """The id of this person's profile, once it is written."""
        assert self.id is not None
        return self.id


class People:
    """The persons of one batch, by user id and by anonymous id. Use it inside one transaction."""

    def __init__(
        self, user_ids: Collection[str], anonymous_ids: Collection[str], *, may_link: bool, now: dt.datetime
    ) -> None:
        self.users: dict[str, Person] = {}
        self.visitors: dict[str, Person] = {}
        self._by_id: dict[int, Person] = {}
        self._made: list[Person] = []
        self._linked: dict[tuple[str, str], Person] = {}  # identifiers to write
        self._moved: dict[str, Person] = {}  # anonymous ids that now belong to someone else
        self._merged: list[Person] = []
        self._load(user_ids, anonymous_ids, may_link=may_link, now=now)

    def _load(
        self, user_ids: Collection[str], anonymous_ids: Collection[str], *, may_link: bool, now: dt.datetime
    ) -> None:
        look_up = _LOOK_UP_TO_LINK if may_link else _LOOK_UP
        lately, heard = now - SEEN_STEP, now - HEARD_STEP
        for is_user, value, profile_id, facts, locale, zone in rows(
            look_up, [lately, joined(sorted(anonymous_ids)), joined(sorted(user_ids))]
        ):
            person = self._by_id.get(profile_id)
            if person is None:
                seen = lately if facts & 8 else _LONG_AGO
                person = self._by_id[profile_id] = Person(
                    id=profile_id,
                    is_known=facts & 1 != 0,
                    is_vouched=facts & 2 != 0,
                    erased=facts & 4 != 0,
                    seen=seen,
                    seen_before=seen,
                    heard=heard,
                    locale=locale,
                    zone=zone,
                )
            (self.users if is_user else self.visitors)[value] = person

    def user(self, user_id: str) -> Person:
        person = self.users.get(user_id)
        if person is None:
            person = self.users[user_id] = self._new(Person(external_id=user_id, is_known=True))
            self._linked["user", user_id] = person
            return person
        return person if person.into is None else person.final()

    def visitor(self, anonymous_id: str) -> Person:
        person = self.visitors.get(anonymous_id)
        if person is None:
            person = self.visitors[anonymous_id] = self._new(Person())
            self._linked["anonymous", anonymous_id] = person
            return person
        return person if person.into is None else person.final()

    def _new(self, person: Person) -> Person:
        self._made.append(person)
        return person

    def link(self, anonymous_id: str, user_id: str) -> Person:
        """The visitor turns out to be this user. Returns the user's person.

        Two known people are never merged so: the browser then belongs to who spoke last.
        """
        visitor = self.visitors.get(anonymous_id)
        visitor = visitor and visitor.final()
        user = self.users.get(user_id)
        user = user and user.final()
        if visitor is None:
            user = self.user(user_id)
            self._linked["anonymous", anonymous_id] = user
        elif visitor is user or visitor.erased:
            return user or self.user(user_id)
        elif visitor.is_known:
            user = self.user(user_id)
            if ("anonymous", anonymous_id) in self._linked:
                self._linked["anonymous", anonymous_id] = user
            else:
                self._moved[anonymous_id] = user
        elif user is None or user.id is None:
            # The user is new: the visitor's profile becomes the user's.
            visitor.is_known = visitor.is_changed = True
            visitor.external_id = user_id
            if user is not None:
                self._fold(user, visitor)
            self.users[user_id] = self._linked["user", user_id] = user = visitor
        else:
            self.absorb(visitor, user)
        self.visitors[anonymous_id] = user
        return user

    def alias(self, previous_id: str, user_id: str) -> Person:
        """Whoever was called `previous_id` is this user. Returns the user's person."""
        previous = self.users.get(previous_id)
        if previous is None:
            return self.link(previous_id, user_id)
        user = self.user(user_id)
        if previous.final() is not user and not previous.final().erased and not user.erased:
            self.absorb(previous.final(), user)
        return user

    def absorb(self, absorbed: Person, survivor: Person) -> None:
        if absorbed.id is None and not absorbed.is_known:
            self._fold(absorbed, survivor)
        else:
            absorbed.into = survivor
            self._merged.append(absorbed)

    def _fold(self, passing: Person, staying: Person) -> None:
        """A person that was never written goes on as another."""
        passing.into = staying
        staying.attributes = staying.attributes | passing.attributes
        staying.seen = max(staying.seen, passing.seen)
        staying.locale = staying.locale or passing.locale
        staying.zone = staying.zone or passing.zone
        staying.vouch = staying.vouch or passing.vouch
        staying.is_changed = True

    def save(self, *, now: dt.datetime) -> None:
        """Write everything: new profiles, what changed, then merges. A lost race shows as a unique violation."""
        made = [person for person in self._made if person.into is None or person in self._merged]
        changed = sorted(
            (p for p in self._by_id.values() if p.is_changed or p.seen - p.seen_before > SEEN_STEP), key=Person.row
        )
        if not (made or self._linked or self._moved or changed or self._merged):
            return
        with connection.cursor() as cursor:
            if made:
                _create(cursor, made, now=now)
            if self._linked:
                found = sorted((kind, value, person.final().row()) for (kind, value), person in self._linked.items())
                cursor.execute(
                    "INSERT INTO audiences_identifier (kind, value, profile_id) "
                    "SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[])",
                    [list(column) for column in zip(*found, strict=True)],
                )
            if self._moved:
                cursor.execute(
                    "UPDATE audiences_identifier i SET profile_id = n.id "
                    "FROM unnest(%s::text[], %s::bigint[]) AS n(value, id) "
                    "WHERE i.kind = 'anonymous' AND i.value = n.value",
                    [list(self._moved), [person.final().row() for person in self._moved.values()]],
                )
            if changed:
                _update(cursor, changed, now=now)
        if self._merged:
            merge_all([(person.final().row(), person.row()) for person in self._merged], now=now)


# Two index look-ups a key: a join would read whole tables while they are small. The lock keeps a merge from passing
# between the look-up and the commit; locks are always taken in the order of kind and value, by code point. A row that a
# merge has just moved leads to who it belongs to now.
_LOOK_UP = """
SELECT k.kind = 'user', k.value, p.id,
       (p.external_id IS NOT NULL)::int + 2 * (p.proven_at IS NOT NULL)::int + 4 * (p.erased_at IS NOT NULL)::int
       + 8 * (p.last_seen_at >= %s)::int,
       p.locale, p.zone
FROM (
    SELECT 'anonymous' AS kind, string_to_table(%s, E'\\x1f') AS value
    UNION ALL SELECT 'user', string_to_table(%s, E'\\x1f')
) k
CROSS JOIN LATERAL (
    SELECT profile_id FROM audiences_identifier i WHERE i.kind = k.kind AND i.value = k.value FOR SHARE
) i
CROSS JOIN LATERAL (SELECT * FROM audiences_profile WHERE id = i.profile_id OFFSET 0) p
"""
_LOOK_UP_TO_LINK = _LOOK_UP.replace("FOR SHARE", "FOR UPDATE")


def _create(cursor: CursorWrapper, made: Sequence[Person], *, now: dt.datetime) -> None:
    cursor.execute(
        "SELECT nextval(pg_get_serial_sequence('audiences_profile', 'id')) FROM generate_series(1, %s)", [len(made)]
    )
    for person, (profile_id,) in zip(made, cursor.fetchall(), strict=True):
        person.id = profile_id
    cursor.execute(
        """
        WITH made AS (
            INSERT INTO audiences_profile
                (id, external_id, attributes, locale, zone, created_at, last_seen_at, proven_at, simulated)
            SELECT id, external_id, attributes, locale, zone, %s, seen, CASE WHEN vouch THEN %s END, false
            FROM unnest(%s::bigint[], %s::text[], %s::jsonb[], %s::text[], %s::text[], %s::timestamptz[], %s::bool[])
                 AS n(id, external_id, attributes, locale, zone, seen, vouch)
            RETURNING id
        )
        INSERT INTO audiences_standing (profile_id, epoch) SELECT id, 0 FROM made
        """,
        [
            now,
            now,
            [p.id for p in made],
            [p.external_id for p in made],
            [_json({k: v for k, v in p.attributes.items() if v is not None}) for p in made],
            [p.locale for p in made],
            [p.zone for p in made],
            [p.seen if p.seen > _LONG_AGO else now for p in made],
            [p.vouch for p in made],
        ],
    )


def _update(cursor: CursorWrapper, changed: Sequence[Person], *, now: dt.datetime) -> None:
    cursor.execute(
        """
        WITH locked AS (
            SELECT id FROM audiences_profile WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
        )
        UPDATE audiences_profile p SET
            external_id = coalesce(n.external_id, p.external_id),
            attributes = CASE WHEN n.attributes IS NULL THEN p.attributes
                              ELSE (p.attributes || n.attributes) - n.removed END,
            locale = n.locale, zone = n.zone,
            last_seen_at = greatest(p.last_seen_at, n.seen),
            proven_at = coalesce(p.proven_at, CASE WHEN n.vouch THEN %s END)
        FROM locked, (
            SELECT id, external_id, attributes, locale, zone, seen, vouch,
                   CASE WHEN has_null THEN ARRAY(SELECT key FROM jsonb_each(attributes) WHERE value = 'null')
                        ELSE '{}' END AS removed
            FROM unnest(%s::bigint[], %s::text[], %s::jsonb[], %s::text[], %s::text[], %s::timestamptz[], %s::bool[],
                        %s::bool[]) AS u(id, external_id, attributes, locale, zone, seen, vouch, has_null)
        ) n
        WHERE p.id = locked.id AND p.id = n.id
        """,
        [
            [p.id for p in changed],
            now,
            [p.id for p in changed],
            [p.external_id for p in changed],
            [_json(p.attributes) if p.attributes else None for p in changed],
            [p.locale for p in changed],
            [p.zone for p in changed],
            [p.seen for p in changed],
            [p.vouch for p in changed],
            [None in p.attributes.values() for p in changed],
        ],
    )


def _json(attributes: dict[str, Any]) -> str:
    return encoded(attributes).decode()
