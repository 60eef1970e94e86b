"""The standing: a profile's lock, and its epoch, by which a change reaches a send that was already judged."""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection
from django.db.backends.utils import CursorWrapper


def raise_epochs(profile_ids: Collection[int]) -> dict[int, int]:
    """Raise the epoch of each profile, in id order, inside the caller's transaction. Returns the new epochs.

    Call it in the transaction of every change that can turn a verdict: a choice, an erasure, a merge, a device's
    owner, address or permission. An intent judged before it then finds another epoch, and does not send.
    """
    if not profile_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH locked AS (
                SELECT profile_id FROM audiences_standing WHERE profile_id = ANY(%s) ORDER BY profile_id FOR UPDATE
            )
            UPDATE audiences_standing s SET epoch = epoch + 1 FROM locked l WHERE s.profile_id = l.profile_id
            RETURNING s.profile_id, s.epoch
            """,
            [sorted(profile_ids)],
        )
        return dict(cursor.fetchall())


def lock_survivors(profile_ids: Collection[int]) -> dict[int, int]:
    """Lock the standing of each profile, or of the one that it has become part of. Returns which one that is.

    A merge locks both standings: one under way is waited for and then seen, and none comes before the caller's
    transaction ends. Usually three statements.
    """
    with connection.cursor() as cursor:
        survivors = _survivors(cursor, profile_ids)
        locked: set[int] = set()
        while waiting := set(survivors.values()) - locked:
            cursor.execute(
                "SELECT FROM audiences_standing WHERE profile_id = ANY(%s) ORDER BY profile_id FOR UPDATE",
                [sorted(waiting)],
            )
            locked |= waiting
            # A statement of its own: only what begins after the lock was got sees what the merge has done.
            survivors = _survivors(cursor, profile_ids)
    return survivors


def _survivors(cursor: CursorWrapper, profile_ids: Collection[int]) -> dict[int, int]:
    cursor.execute(
        "SELECT id, coalesce(merged_into_id, id) FROM audiences_profile WHERE id = ANY(%s)", [sorted(profile_ids)]
    )
    return dict(cursor.fetchall())
