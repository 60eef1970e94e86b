"""Epochs: how a change to a profile reaches a send that was already judged."""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection


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
