"""Finding the profile that a person means, or all who may be meant."""

from __future__ import annotations

import re
from functools import reduce
from operator import or_

from django.db.models import Q

from audiences.models import Identifier, Profile

LARGEST_ID = 2**63 - 1
MOST_FOUND = 500


def profile_named(words: str) -> Profile | None:
    """The profile of this id: the outer one, one that a browser or app made up, or our own number (“42”, or
    “Anonymous 42” as it is called where it has no other). One that was merged leads to the one that it became part
    of; nobody for one that was erased. At most four queries."""
    words = words.replace("\0", "").strip()
    if not words:
        return None
    found = Profile.objects.filter(external_id=words).first()
    if found is None:
        identifier = Identifier.objects.filter(value=words).select_related("profile").order_by("-kind").first()
        found = identifier.profile if identifier else None
    if found is None:
        number = re.fullmatch(r"(?:anonymous\s+)?([0-9]{1,19})", words, flags=re.IGNORECASE)
        if number and int(number[1]) <= LARGEST_ID:
            found = Profile.objects.filter(pk=int(number[1])).first()
    if found is not None and found.merged_into_id:
        found = Profile.objects.get(pk=found.merged_into_id)
    return None if found is None or found.erased_at else found


def called(words: str) -> Q:
    """A condition on profiles: this id, or one that begins so, an e-mail address or a name; with whoever became part of
    them. At most ten queries, each of them by an index."""
    words = words.replace("\0", "").strip()
    if not words:
        return Q()
    named = profile_named(words)
    found = {named.pk} if named else set()
    for way in ways(words):
        # Each by its own index: together they would be a walk over everyone.
        found.update(Profile.objects.filter(way).values_list("pk", flat=True)[: MOST_FOUND + 1])
        if len(found) > MOST_FOUND:
            # So many that a walk over everyone soon has a page of them.
            return reduce(or_, ways(words))
    found.update(Profile.objects.filter(merged_into__in=found).values_list("pk", flat=True))
    return Q(pk__in=found)


def ways(words: str) -> list[Q]:
    """What somebody who types this may mean: the beginning of an id, an e-mail address, or a name."""

    def begins(name: str, text: str) -> Q:
        return Q(**{"attributes__has_key": name, f"attributes__{name}__istartswith": text})

    meant = [Q(external_id__startswith=words), begins("email", words)]
    first, _, last = words.partition(" ")
    if "@" not in words:
        meant.append(begins("name", words))
        if last:
            meant.append(begins("first_name", first) & begins("last_name", last))
        else:
            meant += [begins("first_name", words), begins("last_name", words)]
    return meant
