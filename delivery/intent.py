"""The intent: committed before any POST, in one statement for a micro-batch.

It is a compare-and-set on each profile's standing. What changed since the message was judged (a choice, a device, a
merge, another message's intent) raised the epoch, and the row does not come back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from django.conf import settings

from audiences import statements
from audiences.statements import joined
from delivery.models import Wave
from delivery.parcel import Parcel

# locked: standings in id order, where the epoch is still the one judged (after waiting for whoever holds the row).
# intent: ours by owner, fence and lease, of a wave that still runs, with a verdict that is still good.
# made: a push of the same key on the same device belongs to another message, unless it is our own, to be tried again.
_INTENT = """
WITH judged AS (
    SELECT * FROM unnest(%(messages)s::bigint[], %(fences)s::int[], %(profiles)s::bigint[], %(epochs)s::bigint[],
                         %(good_until)s::timestamptz[], string_to_array(%(verdicts)s::text, E'\\x1f'))
        AS j(message_id, fence, profile_id, epoch, good_until, verdicts)
), locked AS (
    SELECT s.profile_id FROM audiences_standing s JOIN judged j ON j.profile_id = s.profile_id
    WHERE s.epoch = j.epoch ORDER BY s.profile_id FOR UPDATE OF s
), standing AS (
    UPDATE audiences_standing s SET epoch = s.epoch + 1 FROM locked l WHERE s.profile_id = l.profile_id
    RETURNING s.profile_id
), intent AS (
    UPDATE delivery_message m SET state = 'pushing', reason = '', verdicts = j.verdicts::jsonb,
           intent_at = coalesce(m.intent_at, now()), decided_at = coalesce(m.decided_at, now()),
           lease_until = now() + make_interval(secs => %(lease)s)
    FROM judged j JOIN standing s ON s.profile_id = j.profile_id, delivery_wave w
    WHERE m.id = j.message_id AND m.wave_on = %(wave_on)s AND m.state = 'claimed' AND m.owner = %(owner)s
      AND m.fence = j.fence AND m.lease_until > now() AND j.good_until > clock_timestamp()
      AND w.id = %(wave)s AND w.state = 'running'
    RETURNING m.id
), made AS (
    INSERT INTO delivery_push (id, wave_on, wave_id, message_id, profile_id, device_id, credential_id, send_key, state,
                               attempt, owner, lease_until, fence, content, intent_at)
    SELECT p.id, %(wave_on)s, %(wave)s, p.message_id, p.profile_id, p.device_id, p.credential_id, p.send_key,
           'sending', p.attempt, %(owner)s, now() + make_interval(secs => %(lease)s), p.fence, p.content::jsonb, now()
    FROM unnest(%(push_ids)s::uuid[], %(push_messages)s::bigint[], %(push_profiles)s::bigint[],
                %(push_devices)s::bigint[], %(push_credentials)s::bigint[], %(attempts)s::int[], %(push_fences)s::int[],
                string_to_array(%(contents)s::text, E'\\x1f'), string_to_array(%(send_keys)s::text, E'\\x1f'))
         AS p(id, message_id, profile_id, device_id, credential_id, attempt, fence, content, send_key)
    JOIN intent i ON i.id = p.message_id
    ON CONFLICT (send_key, device_id, wave_on) DO UPDATE
        SET state = 'sending', credential_id = excluded.credential_id, attempt = excluded.attempt,
            owner = excluded.owner, lease_until = excluded.lease_until,
            fence = excluded.fence, content = excluded.content, due_at = NULL, reason = ''
        WHERE delivery_push.state = 'retry' AND delivery_push.message_id = excluded.message_id
    RETURNING id, message_id
)
SELECT 'standing', profile_id, NULL::uuid FROM standing
UNION ALL SELECT 'message', id, NULL FROM intent
UNION ALL SELECT 'push', message_id, id FROM made
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
    content = {id(parcel): msgspec.json.encode(parcel.rendered.fields).decode() for parcel in parcels}
    sendings = [(parcel, one) for parcel in parcels for one in parcel.sendings]
    rows = statements.rows(
        _INTENT,
        {
            "wave": wave.pk,
            "wave_on": wave.wave_on,
            "owner": owner,
            "lease": settings.HEED_LEASE_SECONDS,
            "messages": [parcel.facts.message_id for parcel in parcels],
            "fences": [parcel.facts.fence for parcel in parcels],
            "profiles": [parcel.facts.profile_id for parcel in parcels],
            "epochs": [parcel.facts.epoch for parcel in parcels],
            "good_until": [parcel.good_until for parcel in parcels],
            "verdicts": joined(msgspec.json.encode(parcel.record()).decode() for parcel in parcels),
            "push_ids": [one.id for _, one in sendings],
            "push_messages": [parcel.facts.message_id for parcel, _ in sendings],
            "push_profiles": [parcel.facts.profile_id for parcel, _ in sendings],
            "push_devices": [one.device.id for _, one in sendings],
            "push_credentials": [one.credential_id for _, one in sendings],
            "attempts": [one.attempt for _, one in sendings],
            "push_fences": [parcel.facts.fence for parcel, _ in sendings],
            "contents": joined(content[id(parcel)] for parcel, _ in sendings),
            "send_keys": joined(parcel.facts.send_key for parcel, _ in sendings),
        },
    )
    standings = {number for kind, number, _ in rows if kind == "standing"}
    messages = {number for kind, number, _ in rows if kind == "message"}
    pushes = {str(push) for kind, _, push in rows if kind == "push"}
    result = Committed([], [], [])
    for parcel in parcels:
        if parcel.facts.message_id in messages:
            parcel.sendings = [one for one in parcel.sendings if str(one.id) in pushes]
            result.pushing.append(parcel)
        elif parcel.facts.profile_id not in standings:
            result.moved.append(parcel)
        else:
            result.lost.append(parcel)
    return result


def far_future() -> dt.datetime:
    """The good_until of a verdict that nothing ends."""
    return dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
