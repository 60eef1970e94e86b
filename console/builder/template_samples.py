"""Whom a preview is shown for: people of the data, and the edge cases that a marketer would not think of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db.models import F, Q
from django.db.models.fields.json import KT
from django.db.models.functions import Length

from audiences.models import Event, Profile
from campaigns.liquid.fields import fields_used
from campaigns.rendering import written

RECENT = 2_000

CASES = (
    ("typical", "someone who was here lately"),
    ("longest", "the longest name"),
    ("missing", "someone without what the message uses"),
    ("never", "someone who never did what it refers to"),
)


def find(case: str, fields: dict[str, object], *, last_events: Sequence[str], now: dt.datetime) -> Profile | None:
    """A profile for this case, among those seen lately; None where there is none. One or two queries."""
    people = Profile.objects.standing_alone().order_by("-last_seen_at", "-pk")
    if case == "longest":
        lately = people.values("pk")[:RECENT]
        return (
            Profile.objects.filter(pk__in=list(lately.values_list("pk", flat=True)))
            .annotate(long=Length(KT("attributes__first_name")))
            .order_by(F("long").desc(nulls_last=True))
            .first()
        )
    if case == "missing":
        lacking = Q()
        for name in attributes_used(fields):
            lacking |= Q(**{f"attributes__{name}": None}) | ~Q(attributes__has_key=name)
        return people.filter(lacking).first() if lacking else None
    if case == "never":
        if not last_events:
            return None
        ids = list(people.values_list("pk", flat=True)[:RECENT])
        since = now - dt.timedelta(days=180)
        did = Event.objects.filter(profile_id__in=ids, name__in=last_events, occurred_at__gt=since)
        done = set(did.values_list("profile_id", flat=True))
        found = next((pk for pk in ids if pk not in done), None)
        return Profile.objects.filter(pk=found).first() if found else None
    return people.filter(attributes__has_key="first_name").first() or people.first()


def attributes_used(fields: dict[str, object]) -> list[str]:
    """The profile attributes that the message reads, first level."""
    names: dict[str, None] = {}
    for source in written(fields).values():
        try:
            uses = fields_used(source)
        except ValueError:
            continue
        for use in uses:
            if use.root == "profile" and len(use.path) > 1 and isinstance(use.path[1], str):
                names[use.path[1]] = None
    return [name for name in names if name not in ("external_id", "locale", "zone")]
