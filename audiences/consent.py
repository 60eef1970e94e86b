"""The only place that opts anyone in or out.

Every decision is a row of the ledger and the newest of them is the `Choice`; both, and the profile's raised epoch,
are written in one transaction, so that no send judged before it can go out after it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from django.db import connection, transaction

from audiences.models import Decision
from audiences.standing import lock_survivors, raise_epochs


@dataclass(frozen=True, kw_only=True, slots=True)
class NewChoice:
    """One decision of one profile; `topic_id` None speaks of all notifications."""

    profile_id: int
    topic_id: int | None
    decision: Decision
    source: str
    text: str = ""
    text_version: str = ""
    actor: str = ""


def record(choices: Sequence[NewChoice], *, now: dt.datetime) -> list[int]:
    """Write the decisions to the ledger, in their order, each for who its profile is by now, where it was merged.

    Returns the ledger ids. Six statements, however many.
    """
    if not choices:
        return []
    with transaction.atomic():
        survivors = lock_survivors({choice.profile_id for choice in choices})
        return _write([replace(choice, profile_id=survivors[choice.profile_id]) for choice in choices], now=now)


def _write(choices: Sequence[NewChoice], *, now: dt.datetime) -> list[int]:
    """The same of profiles that are locked, in the caller's transaction."""
    epochs = raise_epochs({choice.profile_id for choice in choices})
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO audiences_consententry
                (profile_id, topic_id, decision, source, text, text_version, actor, at, epoch)
            SELECT profile_id, topic_id, decision, source, text, text_version, actor, %s, epoch
            FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                        %s::bigint[])
                 WITH ORDINALITY AS n(profile_id, topic_id, decision, source, text, text_version, actor, epoch, i)
            ORDER BY i
            RETURNING id
            """,
            [
                now,
                [c.profile_id for c in choices],
                [c.topic_id for c in choices],
                [str(c.decision) for c in choices],
                [c.source for c in choices],
                [c.text for c in choices],
                [c.text_version for c in choices],
                [c.actor for c in choices],
                [epochs[c.profile_id] for c in choices],
            ],
        )
        entries = sorted(row[0] for row in cursor.fetchall())
        cursor.execute(_UPSERT_CHOICES, [entries])
    return entries


# The last entry of a batch wins; an opt-out anywhere in it leaves its mark for what was planned before.
_UPSERT_CHOICES = """
INSERT INTO audiences_choice (profile_id, topic_id, decision, changed_at, entry_id, out_epoch, out_at)
SELECT profile_id, topic_id, (array_agg(decision ORDER BY id DESC))[1], max(at), max(id),
       max(epoch) FILTER (WHERE decision = 'out'), max(at) FILTER (WHERE decision = 'out')
FROM audiences_consententry WHERE id = ANY(%s)
GROUP BY profile_id, topic_id
ORDER BY profile_id, topic_id
ON CONFLICT (profile_id, topic_id) DO UPDATE SET
    decision = excluded.decision, changed_at = excluded.changed_at, entry_id = excluded.entry_id,
    out_epoch = coalesce(excluded.out_epoch, audiences_choice.out_epoch),
    out_at = coalesce(excluded.out_at, audiences_choice.out_at)
"""


def record_grants(
    profile_ids: Collection[int],
    *,
    source: str,
    text: str = "",
    text_version: str = "",
    is_new: bool = False,
    now: dt.datetime,
) -> list[int]:
    """Record that browsers or apps granted notifications, with the words that were shown.

    Who has opted out explicitly stays out: only the person on the preference page, or an operator with proof, turns
    that around. Who is in already gets no second row, unless the person left and said yes once more (`is_new`).
    Returns the ledger ids.
    """
    if not profile_ids:
        return []
    with transaction.atomic():
        # An opt-out under way is waited for, and then seen.
        survivors = lock_survivors(profile_ids)
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT DISTINCT p FROM unnest(%s::bigint[]) AS p
                WHERE NOT EXISTS (
                    SELECT FROM audiences_choice c WHERE c.profile_id = p AND c.topic_id IS NULL
                    AND NOT (%s AND c.decision = 'in')
                )
                """,
                [sorted(survivors.values()), is_new],
            )
            saying = sorted(row[0] for row in cursor.fetchall())
        if not saying:
            return []
        return _write(
            [
                NewChoice(
                    profile_id=profile_id,
                    topic_id=None,
                    decision=Decision.IN,
                    source=source,
                    text=text,
                    text_version=text_version,
                )
                for profile_id in saying
            ],
            now=now,
        )
