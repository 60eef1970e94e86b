"""Devices that change hands: who may take one over, and whose it was before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence

from django.db import connection

from audiences.models import Decision, Device


class Strangers:
    """Visitors whom nobody knows and who never said yes: they take no known person's device by repeating what they
    are, nor one on which somebody logged out."""

    def __init__(self, visitors: Collection[int] = (), devices: Collection[Device] = ()) -> None:
        """`visitors`: profiles that only repeat. One query, where there are some, and devices that they could take."""
        self._people: set[int] = set()
        self._unasked: set[int] = set()
        if not visitors or not devices:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT p.id, p.external_id IS NOT NULL, EXISTS (
                    SELECT FROM audiences_choice c WHERE c.profile_id = p.id AND c.decision = %s)
                FROM audiences_profile p WHERE p.id = ANY(%s)
                """,
                [Decision.IN, sorted({*visitors, *(device.profile_id for device in devices)})],
            )
            for profile_id, is_person, said_yes in cursor.fetchall():
                if is_person:
                    self._people.add(profile_id)
                elif not said_yes:
                    self._unasked.add(profile_id)

    def may_not_take(self, device: Device, profile_id: int) -> bool:
        is_somebodys = device.detached_at is not None or device.profile_id in self._people
        return profile_id in self._unasked and is_somebodys


def note_former_owners(left: Sequence[tuple[int, int]], *, now: dt.datetime) -> None:
    """(device, profile) pairs; who has the device again is no former owner."""
    devices = [device_id for device_id, _ in left]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO audiences_formerowner (device_id, profile_id, left_at)
            SELECT device_id, profile_id, %s FROM unnest(%s::bigint[], %s::bigint[]) AS l(device_id, profile_id)
            ORDER BY profile_id, device_id
            ON CONFLICT (profile_id, device_id) DO UPDATE SET left_at = excluded.left_at
            """,
            [now, devices, [profile_id for _, profile_id in left]],
        )
        cursor.execute(
            """
            DELETE FROM audiences_formerowner f USING audiences_device d
            WHERE f.device_id = ANY(%s) AND d.id = f.device_id AND d.profile_id = f.profile_id
            """,
            [devices],
        )
