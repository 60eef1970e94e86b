"""Finding the one profile that a person means."""

from __future__ import annotations

import re

from audiences.models import Identifier, Profile

LARGEST_ID = 2**63 - 1


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
