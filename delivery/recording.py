"""Writing down what became of messages and pushes: one UPDATE for many, and only where they are still ours."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from audiences import statements
from audiences.statements import joined, plain
from delivery import tally
from delivery.gates.facts import Facts
from delivery.gates.verdict import Effect, Verdicts, records
from delivery.models import Wave
from delivery.parcel import Parcel

REACHED = ("sent", "unknown")
LEAST_DEFER = dt.timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class NotSent:
    """A message that a gate said no to; the last verdict is the one that decided. `held_by` and `due_at`: where it
    waits for a hold, which one, and when it is looked at if nobody wakes it before."""

    facts: Facts
    verdicts: Verdicts
    held_by: int | None = None
    due_at: dt.datetime | None = None

    def result(self) -> tuple[str, str]:
        """(state, reason) of the message now. What reached one device is not called held back on the next."""
        last = self.verdicts[-1]
        reached = next((state for state in REACHED if state in self.facts.settled), None)
        if reached and last.effect != Effect.DEFER:
            return reached, ""
        return str(last.effect), last.reason


def not_sent(wave: Wave, decided: Sequence[NotSent], *, owner: str, now: dt.datetime) -> None:
    """Record verdicts that end here: held back, expired, held out, or deferred until they free."""
    if not decided:
        return
    last = [one.verdicts[-1] for one in decided]
    results = [one.result() for one in decided]
    statements.run(
        _NOT_SENT,
        {
            "wave_on": wave.wave_on,
            "owner": owner,
            "ids": plain([one.facts.message_id for one in decided]),
            "fences": plain([one.facts.fence for one in decided]),
            "states": joined(state for state, _ in results),
            "reasons": joined(reason for _, reason in results),
            "verdicts": joined(records(one.verdicts) for one in decided),
            "due": plain(
                [
                    max(one.due_at or verdict.frees_at or now, now + LEAST_DEFER)
                    if verdict.effect == Effect.DEFER
                    else None
                    for one, verdict in zip(decided, last, strict=True)
                ]
            ),
            "held_by": plain([one.held_by for one in decided]),
        },
    )


# state || '': found by their ids, not through the index of leases: see intent.py.
_NOT_SENT = f"""
WITH decided AS (
    UPDATE delivery_message m SET state = r.state, reason = coalesce(r.reason, ''), verdicts = r.verdicts::jsonb,
           due_at = coalesce(r.due_at, m.due_at), held_by = r.held_by, owner = '', lease_until = NULL,
           decided_at = CASE WHEN r.state = 'held_out' THEN now() ELSE m.decided_at END,
           finished_at = CASE WHEN r.state = 'queued' THEN NULL ELSE now() END
    FROM unnest(%(ids)s::bigint[], %(fences)s::int[], string_to_array(%(states)s::text, E'\\x1f'),
                string_to_array(%(reasons)s::text, E'\\x1f'), string_to_array(%(verdicts)s::text, E'\\x1f'),
                %(due)s::timestamptz[], %(held_by)s::bigint[])
         AS r(id, fence, state, reason, verdicts, due_at, held_by)
    WHERE m.id = r.id AND m.wave_on = %(wave_on)s AND m.state || '' = 'claimed' AND m.owner = %(owner)s AND m.fence = r.fence
    RETURNING m.wave_id, m.state, m.reason
)
{tally.messages_of("decided")}
"""


_OUTCOMES = f"""
WITH push AS (
    UPDATE delivery_push p SET state = r.state, reason = coalesce(r.reason, ''), due_at = r.due_at, attempt = r.attempt,
           status = coalesce(r.status, ''), gateway_ref = coalesce(r.reference, ''), ttl_granted = r.ttl, owner = '',
           lease_until = NULL, finished_at = CASE WHEN r.state = 'retry' THEN NULL ELSE now() END
    FROM unnest(%(ids)s::uuid[], %(fences)s::int[], string_to_array(%(states)s::text, E'\\x1f'),
                string_to_array(%(reasons)s::text, E'\\x1f'), %(due)s::timestamptz[], %(attempts)s::int[],
                string_to_array(%(statuses)s::text, E'\\x1f'), string_to_array(%(references)s::text, E'\\x1f'),
                %(ttls)s::int[])
         AS r(id, fence, state, reason, due_at, attempt, status, reference, ttl)
    WHERE p.id = r.id AND p.wave_on = %(wave_on)s AND p.state || '' = 'sending' AND p.owner = %(owner)s AND p.fence = r.fence
    RETURNING p.wave_id, p.credential_id, p.state, p.reason, p.status
), pushes AS ({tally.pushes_of("push")}), message AS (
    UPDATE delivery_message m SET state = r.state, reason = coalesce(r.reason, ''), due_at = coalesce(r.due_at, m.due_at),
           owner = '', lease_until = NULL, finished_at = CASE WHEN r.state = 'queued' THEN NULL ELSE now() END
    FROM unnest(%(messages)s::bigint[], %(message_fences)s::int[], string_to_array(%(message_states)s::text, E'\\x1f'),
                string_to_array(%(message_reasons)s::text, E'\\x1f'), %(message_due)s::timestamptz[])
         AS r(id, fence, state, reason, due_at)
    WHERE m.id = r.id AND m.wave_on = %(wave_on)s AND m.state || '' = 'pushing' AND m.owner = %(owner)s AND m.fence = r.fence
    RETURNING m.wave_id, m.state, m.reason
)
{tally.messages_of("message")}
"""


def outcomes(wave: Wave, parcels: Sequence[Parcel], *, owner: str) -> None:
    """Record what the gateways answered for a micro-batch: its pushes, and what that makes of their messages."""
    sendings = [(parcel, one) for parcel in parcels for one in parcel.sendings]
    results = [
        parcel.result()
        if parcel.sendings or parcel.settled or parcel.waits
        else ("suppressed", "device_already_served", None)
        for parcel in parcels
    ]
    statements.run(
        _OUTCOMES,
        {
            "wave_on": wave.wave_on,
            "owner": owner,
            "ids": plain([one.id for _, one in sendings]),
            "fences": plain([parcel.facts.fence for parcel, _ in sendings]),
            "states": joined([one.state for _, one in sendings]),
            "reasons": joined([one.reason for _, one in sendings]),
            "due": plain([one.due_at for _, one in sendings]),
            "attempts": plain([one.attempt for _, one in sendings]),
            "statuses": joined([one.outcome.status[:60] if one.outcome else "" for _, one in sendings]),
            "references": joined([one.outcome.reference if one.outcome else "" for _, one in sendings]),
            "ttls": plain([one.outcome.ttl_granted if one.outcome else None for _, one in sendings]),
            "messages": plain([parcel.facts.message_id for parcel in parcels]),
            "message_fences": plain([parcel.facts.fence for parcel in parcels]),
            "message_states": joined([state for state, _, _ in results]),
            "message_reasons": joined([reason for _, reason, _ in results]),
            "message_due": plain([due for _, _, due in results]),
        },
    )
