"""The intent: committed before any POST, in one statement for a micro-batch.

It is a compare-and-set on each profile's standing. What changed since the message was judged (a choice, a device, a
merge, another message's intent) raised the epoch, and the row does not come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec
from django.conf import settings

from audiences import statements
from audiences.statements import joined, plain
from delivery.gates.verdict import records
from delivery.models import Wave
from delivery.parcel import Parcel

# locked: standings in id order, where the epoch is still the one judged (after waiting for whoever holds the row); each
# is looked up by itself, for a small table would otherwise be read as a whole for each micro-batch.
# state || '': a computed state cannot be looked up in the index of leases. PostgreSQL takes that for nearly empty, and would
# read all of it for each message.
# intent: ours by owner, fence and lease, of a wave that still runs, with a verdict that is still good.
# made: a push of the same key on the same device belongs to another message, unless it is our own, to be tried again.
# What comes back is only what did not go through.
_INTENT = """
WITH judged AS (
    SELECT * FROM unnest(%(messages)s::bigint[], %(fences)s::int[], %(profiles)s::bigint[], %(epochs)s::bigint[],
                         %(good_until)s::timestamptz[], string_to_array(%(verdicts)s::text, E'\\x1f'))
        AS j(message_id, fence, profile_id, epoch, good_until, verdicts)
), pushes AS (
    SELECT * FROM unnest(%(push_ids)s::uuid[], %(push_messages)s::bigint[], %(push_devices)s::bigint[],
                         %(push_credentials)s::bigint[], %(attempts)s::int[],
                         string_to_array(%(contents)s::text, E'\\x1f'), string_to_array(%(send_keys)s::text, E'\\x1f'))
        AS p(id, message_id, device_id, credential_id, attempt, content, send_key)
), locked AS (
    SELECT s.profile_id FROM (SELECT profile_id, epoch FROM judged ORDER BY profile_id) j, LATERAL (
        SELECT profile_id FROM audiences_standing WHERE profile_id = j.profile_id AND epoch = j.epoch FOR UPDATE
    ) s
), standing AS (
    UPDATE audiences_standing SET epoch = epoch + 1 WHERE profile_id = ANY(ARRAY(SELECT profile_id FROM locked))
    RETURNING profile_id
), intent AS (
    UPDATE delivery_message m SET state = 'pushing', reason = '', verdicts = j.verdicts::jsonb,
           intent_at = coalesce(m.intent_at, now()), decided_at = coalesce(m.decided_at, now()),
           lease_until = now() + make_interval(secs => %(lease)s)
    FROM judged j JOIN standing s ON s.profile_id = j.profile_id
    WHERE m.id = j.message_id AND m.wave_on = %(wave_on)s AND m.state || '' = 'claimed' AND m.owner = %(owner)s
      AND m.fence = j.fence AND m.lease_until > clock_timestamp() AND j.good_until > clock_timestamp()
      AND EXISTS (SELECT FROM delivery_wave w WHERE w.id = %(wave)s AND w.state = 'running')
    RETURNING m.id
), made AS (
    INSERT INTO delivery_push (id, wave_on, wave_id, message_id, profile_id, device_id, credential_id, send_key, state,
                               attempt, owner, lease_until, fence, content, intent_at)
    SELECT p.id, %(wave_on)s, %(wave)s, p.message_id, j.profile_id, p.device_id, p.credential_id, p.send_key,
           'sending', p.attempt, %(owner)s, now() + make_interval(secs => %(lease)s), j.fence, p.content::jsonb, now()
    FROM pushes p JOIN intent i ON i.id = p.message_id JOIN judged j ON j.message_id = p.message_id
    ON CONFLICT (send_key, device_id, wave_on) DO UPDATE
        SET state = 'sending', credential_id = excluded.credential_id, attempt = excluded.attempt,
            owner = excluded.owner, lease_until = excluded.lease_until,
            fence = excluded.fence, content = excluded.content, due_at = NULL, reason = ''
        WHERE delivery_push.state = 'retry' AND delivery_push.message_id = excluded.message_id
    RETURNING id
)
SELECT CASE WHEN EXISTS (SELECT FROM standing s WHERE s.profile_id = j.profile_id) THEN 'lost' ELSE 'moved' END,
       j.message_id::text
FROM judged j WHERE NOT EXISTS (SELECT FROM intent i WHERE i.id = j.message_id)
UNION ALL
SELECT 'unmade', p.id::text
FROM pushes p JOIN intent i ON i.id = p.message_id WHERE NOT EXISTS (SELECT FROM made m WHERE m.id = p.id)
"""


@dataclass(frozen=True, slots=True)
class Committed:
    """`pushing` may be posted now. `moved`: the profile changed, judge again. `lost`: no longer ours, or not now."""

    pushing: list[Parcel]
    moved: list[Parcel]
    lost: list[Parcel]


def commit(wave: Wave, parcels: Sequence[Parcel], *, owner: str) -> Committed:
    """Write the intents of a micro-batch. At most one parcel a profile. Posting begins only after this returns.

    Pushes that lost their device to another message of the same key are taken out of their parcels; a parcel left
    without any is still `pushing`, with nothing to send (recording says so).
    """
    sendings = [(parcel, one) for parcel in parcels for one in parcel.sendings]
    rows = statements.rows(
        _INTENT,
        {
            "wave": wave.pk,
            "wave_on": wave.wave_on,
            "owner": owner,
            "lease": settings.HEED_LEASE_SECONDS,
            "messages": plain([parcel.facts.message_id for parcel in parcels]),
            "fences": plain([parcel.facts.fence for parcel in parcels]),
            "profiles": plain([parcel.facts.profile_id for parcel in parcels]),
            "epochs": plain([parcel.facts.epoch for parcel in parcels]),
            "good_until": plain([_written(parcel.good_until) for parcel in parcels]),
            "verdicts": joined([records(parcel.verdicts) for parcel in parcels]),
            "push_ids": plain([one.id for _, one in sendings]),
            "push_messages": plain([parcel.facts.message_id for parcel, _ in sendings]),
            "push_devices": plain([one.device.id for _, one in sendings]),
            "push_credentials": plain([one.credential_id for _, one in sendings]),
            "attempts": plain([one.attempt for _, one in sendings]),
            "contents": joined([_content(parcel) for parcel in parcels for _ in parcel.sendings]),
            "send_keys": joined([parcel.facts.send_key for parcel, _ in sendings]),
        },
    )
    if not rows:
        return Committed(list(parcels), [], [])
    moved = {int(number) for kind, number in rows if kind == "moved"}
    lost = {int(number) for kind, number in rows if kind == "lost"}
    unmade = {push for kind, push in rows if kind == "unmade"}
    result = Committed([], [], [])
    for parcel in parcels:
        if parcel.facts.message_id in moved:
            result.moved.append(parcel)
        elif parcel.facts.message_id in lost:
            result.lost.append(parcel)
        else:
            parcel.sendings = [one for one in parcel.sendings if one.id not in unmade]
            result.pushing.append(parcel)
    return result


_written = lru_cache(maxsize=1024)(str)  # a moment; most of a batch have the same


def _content(parcel: Parcel) -> str:
    return msgspec.json.encode(parcel.rendered.fields).decode()
