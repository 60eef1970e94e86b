"""Two profiles turn out to be one person: what each had moves to the one that stays.

The absorbed profile keeps its row, with `merged_into` set, so that what was decided for it stays on record; its
messages are judged as the survivor from then on. All statements are for the whole batch of pairs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db import connection, transaction


class MergeRefused(ValueError):
    """The two cannot be merged; the message says why."""


def merge(survivor_id: int, absorbed_id: int, *, now: dt.datetime) -> None:
    """Merge one profile into another. Raises MergeRefused."""
    merge_all([(survivor_id, absorbed_id)], now=now)


def merge_all(pairs: Sequence[tuple[int, int]], *, now: dt.datetime) -> None:
    """Merge each (survivor, absorbed). No profile may be absorbed twice, or absorbed and a survivor as well.

    Identifiers, devices, events and choices move; attributes that only the absorbed one has are kept, the survivor's
    win. Of two choices the latest explicit one wins, and of two at the same instant the opt-out. Raises MergeRefused
    where one of them is erased, already absorbed or unknown; then nothing has changed.
    """
    if not pairs:
        return
    survivors = [survivor for survivor, _ in pairs]
    absorbed = [gone for _, gone in pairs]
    if len(set(absorbed)) < len(absorbed) or set(absorbed) & set(survivors):
        raise MergeRefused("A profile can be absorbed once, and not by itself.")
    both = sorted({*survivors, *absorbed})
    with transaction.atomic(), connection.cursor() as cursor:
        # Always in this order, each in the order of its key: identifiers, profiles, devices, standings.
        cursor.execute(
            'SELECT FROM audiences_identifier WHERE profile_id = ANY(%s) ORDER BY kind, value COLLATE "C" FOR UPDATE',
            [both],
        )
        cursor.execute(
            "SELECT id FROM audiences_profile WHERE id = ANY(%s) AND erased_at IS NULL AND merged_into_id IS NULL "
            "ORDER BY id FOR NO KEY UPDATE",
            [both],
        )
        refused = sorted(set(both) - {row[0] for row in cursor.fetchall()})
        if refused:
            raise MergeRefused(f"Profile {refused[0]} is erased, already merged into another, or unknown.")
        cursor.execute("SELECT FROM audiences_device WHERE profile_id = ANY(%s) ORDER BY id FOR UPDATE", [both])
        cursor.execute(
            "SELECT FROM audiences_standing WHERE profile_id = ANY(%s) ORDER BY profile_id FOR UPDATE", [both]
        )
        for statement in _STATEMENTS:
            cursor.execute(statement, {"survivors": survivors, "absorbed": absorbed})


_PAIRS = "WITH pair AS (SELECT * FROM unnest(%(survivors)s::bigint[], %(absorbed)s::bigint[]) AS p(survivor, absorbed))"

# Both epochs pass the higher of the two: nothing judged before the merge, for either, is sent after it.
_EPOCHS = f"""{_PAIRS}, raised AS (
    SELECT pair.survivor, max(s.epoch) + 1 AS epoch FROM pair
    JOIN audiences_standing s ON s.profile_id IN (pair.survivor, pair.absorbed) GROUP BY pair.survivor
)
UPDATE audiences_standing s SET epoch = r.epoch FROM (
    SELECT survivor AS id, epoch FROM raised
    UNION ALL SELECT pair.absorbed, raised.epoch FROM pair JOIN raised USING (survivor)
) r WHERE s.profile_id = r.id
"""

# The choice keeps its row of the ledger and its time. An opt-out that comes in with the absorbed profile counts, for
# what was planned for the survivor, from this epoch on.
_CHOICES = f"""{_PAIRS}, coming AS (
    SELECT DISTINCT ON (pair.survivor, c.topic_id)
           pair.survivor, c.topic_id, c.decision, c.changed_at, c.entry_id,
           max(c.out_at) OVER every AS out_at, bool_or(c.out_epoch IS NOT NULL) OVER every AS was_out, s.epoch
    FROM pair JOIN audiences_choice c ON c.profile_id = pair.absorbed
    JOIN audiences_standing s ON s.profile_id = pair.survivor
    WINDOW every AS (PARTITION BY pair.survivor, c.topic_id)
    ORDER BY pair.survivor, c.topic_id, c.changed_at DESC, c.decision = 'out' DESC
)
INSERT INTO audiences_choice AS kept (profile_id, topic_id, decision, changed_at, entry_id, out_epoch, out_at)
SELECT survivor, topic_id, decision, changed_at, entry_id, CASE WHEN was_out THEN epoch END, out_at FROM coming
ON CONFLICT (profile_id, topic_id) DO UPDATE SET
    (decision, changed_at, entry_id) = (
        SELECT w.decision, w.changed_at, w.entry_id FROM (VALUES
            (kept.decision, kept.changed_at, kept.entry_id),
            (excluded.decision, excluded.changed_at, excluded.entry_id)
        ) AS w(decision, changed_at, entry_id) ORDER BY w.changed_at DESC, w.decision = 'out' DESC LIMIT 1
    ),
    out_epoch = greatest(kept.out_epoch, excluded.out_epoch), out_at = greatest(kept.out_at, excluded.out_at)
"""

_PROFILES = f"""{_PAIRS}, coming AS (
    SELECT pair.survivor, min(a.created_at) AS created_at, max(a.last_seen_at) AS last_seen_at,
           (array_agg(a.locale ORDER BY a.last_seen_at DESC) FILTER (WHERE a.locale <> ''))[1] AS locale,
           (array_agg(a.zone ORDER BY a.last_seen_at DESC) FILTER (WHERE a.zone <> ''))[1] AS zone,
           bool_and(a.simulated) AS simulated
    FROM pair JOIN audiences_profile a ON a.id = pair.absorbed GROUP BY pair.survivor
), said AS (
    SELECT pair.survivor, jsonb_object_agg(e.key, e.value ORDER BY a.last_seen_at) AS attributes
    FROM pair JOIN audiences_profile a ON a.id = pair.absorbed, jsonb_each(a.attributes) e GROUP BY pair.survivor
)
UPDATE audiences_profile p SET
    attributes = coalesce(said.attributes, '{{}}') || p.attributes,
    created_at = least(p.created_at, coming.created_at),
    last_seen_at = greatest(p.last_seen_at, coming.last_seen_at),
    locale = CASE WHEN p.locale = '' THEN coalesce(coming.locale, '') ELSE p.locale END,
    zone = CASE WHEN p.zone = '' THEN coalesce(coming.zone, '') ELSE p.zone END,
    simulated = p.simulated AND coming.simulated
FROM coming LEFT JOIN said USING (survivor) WHERE p.id = coming.survivor
"""


def _moved(table: str) -> str:
    return f"{_PAIRS} UPDATE {table} t SET profile_id = pair.survivor FROM pair WHERE t.profile_id = pair.absorbed"


_STATEMENTS = (
    _EPOCHS,
    _CHOICES,
    f"{_PAIRS} DELETE FROM audiences_choice c USING pair WHERE c.profile_id = pair.absorbed",
    _PROFILES,
    _moved("audiences_identifier"),
    _moved("audiences_device"),
    _moved("audiences_event"),
    f"{_PAIRS} UPDATE audiences_profile a SET merged_into_id = pair.survivor FROM pair "
    "WHERE a.id = pair.absorbed OR a.merged_into_id = pair.absorbed",
)
