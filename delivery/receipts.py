"""What devices tell us about a push: received, shown, opened, clicked, dismissed. Each counts once."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from audiences.signing import is_signed, sign

KINDS = ("received", "shown", "opened", "clicked", "dismissed")
PURPOSE = "receipt"
LOG_DAYS = 7
SLICE = 10_000


@dataclass(frozen=True, slots=True)
class Receipt:
    """One thing that one device says of one push. `at` is the device's own time, or None."""

    push: str
    kind: str
    token: str
    at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """How many were stored, how many were known already, how many were forged or unknown."""

    stored: int
    repeated: int
    refused: int


def receipt_token(push_id: UUID | str, wave_on: dt.date) -> str:
    """The token that goes out with a push: `<day, base 16>.<key id>.<mac>`; the day finds its partition."""
    day = f"{wave_on.toordinal():x}"
    return f"{day}.{sign(PURPOSE, f'{push_id}.{day}')}"


def accept(receipts: Sequence[Receipt], *, now: dt.datetime) -> Accepted:
    """Store what is genuine, once. One statement a kind and day of wave.

    The time is the device's, held between the intent and now: a phone's clock may be off by years.
    """
    genuine: dict[tuple[str, dt.date], dict[UUID, dt.datetime]] = defaultdict(dict)
    refused = 0
    repeated = 0
    for receipt in receipts:
        push = _genuine(receipt)
        if push is None:
            refused += 1
            continue
        push_id, wave_on = push
        known = genuine[receipt.kind, wave_on]
        repeated += push_id in known
        known.setdefault(push_id, min(receipt.at or now, now))
    stored = 0
    for (kind, wave_on), pushes in sorted(genuine.items()):
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                WITH told AS (
                    SELECT p.id FROM delivery_push p WHERE p.id = ANY(%(ids)s) AND p.wave_on = %(wave_on)s
                    AND p.{kind}_at IS NULL {_UNLESS.get(kind, "")} ORDER BY p.id FOR UPDATE
                ), stored AS (
                    UPDATE delivery_push p SET {kind}_at = greatest(t.at, p.intent_at)
                           {_ALSO.get(kind, "")}
                    FROM unnest(%(ids)s, %(times)s::timestamptz[]) AS t(id, at), told
                    WHERE p.id = t.id AND told.id = p.id AND p.wave_on = %(wave_on)s
                    RETURNING p.id, p.message_id, p.profile_id, p.device_id, p.{kind}_at AS at
                )
                INSERT INTO delivery_receipt (push_id, wave_on, message_id, profile_id, device_id, kind, at)
                SELECT id, %(wave_on)s, message_id, profile_id, device_id, %(kind)s, at FROM stored
                """,
                {"ids": list(pushes), "times": list(pushes.values()), "wave_on": wave_on, "kind": kind},
            )
            stored += cursor.rowcount
            repeated += len(pushes) - cursor.rowcount
    return Accepted(stored=stored, repeated=repeated, refused=refused)


def drop_old(*, now: dt.datetime, most: int = 50) -> int:
    """Forget the log of receipts after LOG_DAYS, in slices (each push keeps its own). Returns how many rows."""
    before = now - dt.timedelta(days=LOG_DAYS)
    total = 0
    for _ in range(most):
        with connection.cursor() as cursor:
            cursor.execute(
                """
                DELETE FROM delivery_receipt WHERE id IN (
                    SELECT id FROM delivery_receipt WHERE recorded_at < %s ORDER BY recorded_at LIMIT %s)
                """,
                [before, SLICE],
            )
            total += cursor.rowcount
            if cursor.rowcount < SLICE:
                break
    return total


# Browsers close a notification that was clicked: such a close is no dismissal.
_UNLESS = {"dismissed": "AND p.clicked_at IS NULL"}
# A click proves that the push was shown, and that closing it was no dismissal.
_ALSO = {
    "clicked": ", shown_at = coalesce(p.shown_at, greatest(t.at, p.intent_at)), dismissed_at = NULL",
    "opened": ", shown_at = coalesce(p.shown_at, greatest(t.at, p.intent_at))",
    "dismissed": ", shown_at = coalesce(p.shown_at, greatest(t.at, p.intent_at))",
}


def _genuine(receipt: Receipt) -> tuple[UUID, dt.date] | None:
    day, _, mac = receipt.token.partition(".")
    if receipt.kind not in KINDS or len(receipt.token) > 120:
        return None
    try:
        push_id = UUID(receipt.push)
        wave_on = dt.date.fromordinal(int(day, 16))
    except (ValueError, OverflowError):
        return None
    return (push_id, wave_on) if is_signed(PURPOSE, f"{push_id}.{day}", mac) else None
