"""Which segments one profile is in."""

from __future__ import annotations

import contextlib
import datetime as dt

from audiences.models import Segment
from audiences.segments import facts, tree
from audiences.segments.language import InvalidRule, parse

MOST = 100


def segments_of(profile_id: int, *, now: dt.datetime) -> tuple[list[Segment], bool]:
    """The segments that the profile is in right now, by name, and whether all were asked: no more than a hundred are.

    A rule that is broken has no members. The facts that any of the rules asks for are fetched at once.
    """
    rules: list[tuple[Segment, tree.Node]] = []
    some = list(Segment.objects.filter(archived_at=None).order_by("name")[: MOST + 1])
    for segment in some[:MOST]:
        with contextlib.suppress(InvalidRule):
            rules.append((segment, parse(segment.rule)))
    known = facts.fetch([profile_id], tree.AnyOf(tuple(node for _, node in rules)), now=now).get(profile_id)
    inside = [segment for segment, node in rules if known and facts.matches(node, known, now=now)]
    return inside, len(some) <= MOST
