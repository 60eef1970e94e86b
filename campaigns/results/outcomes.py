"""One row for each profile that came into question: the ground on which every number of a campaign's report stands.

The report sums these rows in SQL and the export lists them, from the same text: whoever recomputes the report from
the export gets the same numbers.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from delivery.models import Wave

OPT_OUT_HOURS = 24

COLUMNS = (
    "profile_id",
    "external_id",
    "arm",
    "state",
    "reason",
    "decided_at",
    "sent_at",
    "shown_at",
    "clicked_at",
    "dismissed_at",
    "converted_at",
    "attributed_at",
    "opted_out_at",
    "permission_lost_at",
    "address_dead_at",
)


@dataclass(frozen=True, slots=True)
class Goal:
    """The event hoped for, and how long after the decision it counts."""

    event: str
    window: dt.timedelta


# decided: the moment at which a profile entered its arm; the same for both arms (intention to treat).
# pushed: the best of its devices. attributed: a goal after a click on this wave, with no later click on another.
_ROWS = """
WITH message AS MATERIALIZED (
    SELECT m.id, m.profile_id AS drawn_id, coalesce(p.merged_into_id, p.id) AS profile_id, p.external_id,
           m.arm, m.state, m.reason,
           CASE WHEN m.state = 'held_out' OR m.intent_at IS NOT NULL THEN coalesce(m.decided_at, m.intent_at) END
               AS decided_at
    FROM delivery_message m JOIN audiences_profile p ON p.id = m.profile_id
    WHERE m.wave_id = %(wave)s AND m.wave_on = %(wave_on)s
), pushed AS (
    SELECT message_id, min(intent_at) FILTER (WHERE state = 'sent') AS sent_at, min(shown_at) AS shown_at,
           min(clicked_at) AS clicked_at, min(dismissed_at) AS dismissed_at,
           min(finished_at) FILTER (WHERE state = 'dropped') AS address_dead_at
    FROM delivery_push WHERE wave_id = %(wave)s AND wave_on = %(wave_on)s GROUP BY message_id
), goal AS (
    SELECT profile_id, occurred_at FROM audiences_event
    WHERE name = %(goal)s AND occurred_at >= %(first)s AND occurred_at < %(last)s
), reached AS (
    SELECT m.id, min(g.occurred_at) AS converted_at
    FROM message m JOIN goal g ON g.profile_id = m.profile_id
         AND g.occurred_at >= m.decided_at AND g.occurred_at < m.decided_at + %(window)s
    GROUP BY m.id
), claimed AS (
    SELECT m.id, min(g.occurred_at) AS attributed_at
    FROM message m JOIN pushed u ON u.message_id = m.id AND u.clicked_at IS NOT NULL
         JOIN goal g ON g.profile_id = m.profile_id
         AND g.occurred_at >= u.clicked_at AND g.occurred_at < u.clicked_at + %(window)s
    WHERE NOT EXISTS (
        SELECT FROM delivery_push o WHERE o.profile_id = m.drawn_id AND o.clicked_at > u.clicked_at
        AND o.clicked_at <= g.occurred_at AND o.wave_id <> %(wave)s
    )
    GROUP BY m.id
), leaving AS (
    SELECT m.id, min(c.at) AS opted_out_at
    FROM message m JOIN audiences_consententry c ON c.profile_id = m.profile_id AND c.decision = 'out'
         AND c.at >= m.decided_at AND c.at < m.decided_at + %(opt_out_window)s
         AND (c.topic_id IS NULL OR c.topic_id = %(topic)s)
    GROUP BY m.id
), forbidding AS (
    SELECT m.id, min(d.permission_lost_at) AS permission_lost_at
    FROM message m JOIN audiences_device d ON d.profile_id = m.profile_id
         AND d.permission_lost_at >= m.decided_at AND d.permission_lost_at < m.decided_at + %(opt_out_window)s
    GROUP BY m.id
)
SELECT m.profile_id, m.external_id, m.arm, m.state, m.reason, m.decided_at, u.sent_at, u.shown_at, u.clicked_at,
       u.dismissed_at, r.converted_at, a.attributed_at, l.opted_out_at,
       f.permission_lost_at, u.address_dead_at
FROM message m LEFT JOIN pushed u ON u.message_id = m.id LEFT JOIN reached r ON r.id = m.id
     LEFT JOIN claimed a ON a.id = m.id LEFT JOIN leaving l ON l.id = m.id
     LEFT JOIN forbidding f ON f.id = m.id
"""

_SUMS = """
SELECT arm, state, reason, count(*), count(decided_at), count(sent_at), count(shown_at), count(clicked_at),
       count(dismissed_at), count(converted_at) FILTER (WHERE decided_at IS NOT NULL), count(attributed_at),
       count(coalesce(opted_out_at, permission_lost_at)) FILTER (WHERE decided_at IS NOT NULL),
       count(permission_lost_at) FILTER (WHERE decided_at IS NOT NULL AND opted_out_at IS NULL),
       count(address_dead_at), min(decided_at), max(decided_at)
FROM ({rows}) rows GROUP BY arm, state, reason
"""


@dataclass(frozen=True, slots=True)
class Sum:
    """Profiles of one arm, state and reason: how many, and how many of them did what.

    `opted_out` holds those who lost permission on a device as well; `lost_permission` are those of them who did not
    opt out besides.
    """

    arm: str
    state: str
    reason: str
    profiles: int
    decided: int
    sent: int
    shown: int
    clicked: int
    dismissed: int
    converted: int
    attributed: int
    opted_out: int
    lost_permission: int
    dead_addresses: int
    first_decided_at: dt.datetime | None
    last_decided_at: dt.datetime | None


def sums(wave: Wave, goal: Goal) -> list[Sum]:
    """The rows of one wave, summed by arm, state and reason. One statement over the wave's own partition."""
    with connection.cursor() as cursor:
        cursor.execute(_SUMS.format(rows=_ROWS), _params(wave, goal))
        return [Sum(*row) for row in cursor.fetchall()]


def rows(wave: Wave, goal: Goal) -> Iterator[tuple[Any, ...]]:
    """Every profile of one wave as a tuple in the order of COLUMNS, streamed by a cursor of the server."""
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(f"{_ROWS} ORDER BY m.profile_id", _params(wave, goal))
        while batch := cursor.fetchmany(2_000):
            yield from batch


_SERIES = """
SELECT moment, kind, count(*) FROM ({rows}) r CROSS JOIN LATERAL (
    VALUES (date_trunc(%(grain)s, sent_at), 'sent'), (date_trunc(%(grain)s, shown_at), 'shown'),
           (date_trunc(%(grain)s, clicked_at), 'clicked'), (date_trunc(%(grain)s, converted_at), 'converted')
) s(moment, kind)
WHERE moment IS NOT NULL AND arm = 'told' AND (kind <> 'converted' OR decided_at IS NOT NULL)
GROUP BY moment, kind ORDER BY moment
"""


def series(wave: Wave, goal: Goal, *, grain: str) -> list[tuple[dt.datetime, str, int]]:
    """(moment, kind, profiles) of the told arm, in order of time; kinds: sent, shown, clicked, converted. `grain` is
    what moments are cut to: minute or hour."""
    with connection.cursor() as cursor:
        cursor.execute(_SERIES.format(rows=_ROWS), {**_params(wave, goal), "grain": grain})
        return [(moment, kind, profiles) for moment, kind, profiles in cursor.fetchall()]


def _params(wave: Wave, goal: Goal) -> dict[str, Any]:
    return {
        "wave": wave.pk,
        "wave_on": wave.wave_on,
        "topic": wave.topic_id,
        "goal": goal.event,
        "window": goal.window,
        "opt_out_window": dt.timedelta(hours=OPT_OUT_HOURS),
        # The partitions that can matter: from the wave's time to its last possible goal.
        "first": wave.due_at,
        "last": wave.expires_at + goal.window,
    }
