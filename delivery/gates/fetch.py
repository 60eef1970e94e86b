"""Facts for a whole batch of messages of one wave, in a handful of queries.

The epochs are read first: a change that comes between them and the other facts makes the epoch stale, and the intent
then fails. Facts may so be newer than their epoch, never older.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from audiences import statements
from audiences.statements import joined, plain
from delivery.gates.facts import ChoiceFacts, DeviceFacts, EarlierPush, Facts, Intent
from delivery.models import Cap, MessageClass, SendingRules, Wave
from delivery.routes import Routes

# Messages live long after their wave's first day (deferred, retried): how far back an intent's partition may lie.
LONGEST_WAVE = dt.timedelta(days=31)


class Fetcher:
    """The rules of one moment, and the facts under them."""

    def __init__(self, wave: Wave, routes: Routes) -> None:
        self.wave = wave
        self.routes = routes
        self.rules = SendingRules.current()
        # Transactional messages pass every cap.
        is_free = wave.message_class == MessageClass.TRANSACTIONAL
        self.caps = () if is_free else tuple(Cap.objects.all())

    def fetch(self, rows: Sequence[dict[str, Any]], *, now: dt.datetime) -> list[Facts]:
        """One Facts for each message row (as `outbox.claim` gives them), in order. At most eight queries."""
        facts = [
            Facts(
                message_id=row["id"],
                profile_id=row["profile_id"],
                drawn_id=row["profile_id"],
                arm=row["arm"],
                due_at=row["due_at"],
                planned_at=row["planned_at"],
                planned_epoch=row["planned_epoch"],
                fence=row["fence"],
                had_intent=row["intent_at"] is not None,
                wave=self.wave,
                rules=self.rules,
                caps=self.caps,
                data=row["data"],
                occurrence=row["occurrence"],
                own_end=row["expires_at"],
                reason=row["reason"],
            )
            for row in rows
        ]
        if facts:
            self._standings(facts)
            people: dict[int, list[Facts]] = {}
            for one in facts:
                people.setdefault(one.profile_id, []).append(one)
            self._devices(people)
            self._choices(people)
            self._intents(people, now=now)
            self._earlier(facts)
        return facts

    def _standings(self, facts: list[Facts]) -> None:
        found_rows = statements.rows(
            """
            SELECT p.id, s.profile_id, s.epoch, coalesce(v.zone, p.zone), coalesce(v.erased_at, p.erased_at) IS NOT NULL
            FROM audiences_profile p LEFT JOIN audiences_profile v ON v.id = p.merged_into_id
                 JOIN audiences_standing s ON s.profile_id = coalesce(p.merged_into_id, p.id)
            WHERE p.id = ANY(%s::bigint[])
            """,
            [plain([one.drawn_id for one in facts])],
        )
        known = {row[0]: row[1:] for row in found_rows}
        for one in facts:
            found = known.get(one.drawn_id)
            if found is None:
                one.exists = False
            else:
                one.profile_id, one.epoch, one.zone, one.erased = found

    def _devices(self, people: dict[int, list[Facts]]) -> None:
        found_rows = statements.rows(
            """
            SELECT profile_id, platform, browser, os, locale, app_version,
                   id, gateway, address, p256dh, auth, sender_key, permission,
                   CASE WHEN quarantined_at IS NULL THEN '' ELSE coalesce(nullif(quarantine_reason, ''), 'dead') END,
                   detached_at IS NOT NULL, needs_resubscribe_at IS NOT NULL, app, environment, registered_at
            FROM audiences_device WHERE profile_id = ANY(%s::bigint[]) ORDER BY id
            """,
            [plain(people)],
        )
        found: list[DeviceFacts] = []
        for profile_id, platform, browser, os, locale, app_version, *row in found_rows:
            context = {"platform": platform, "browser": browser, "os": os, "locale": locale, "app_version": app_version}
            device = DeviceFacts(*row, context)  # type: ignore[call-arg]  # as selected
            found.append(device)
            for one in people[profile_id]:
                one.devices.append(device)
        self.routes.serve(found)
        self._reassigned([one for group in people.values() for one in group if _has_no_live(one)])

    def _reassigned(self, facts: Sequence[Facts]) -> None:
        """Of those that cannot be reached: whose device somebody else has logged in on."""
        if not facts:
            return
        found_rows = statements.rows(
            """
            SELECT f.profile_id, d.profile_id FROM audiences_formerowner f JOIN audiences_device d ON d.id = f.device_id
            WHERE f.profile_id = ANY(%s)
            """,
            [sorted({pk for one in facts for pk in (one.profile_id, one.drawn_id)})],
        )
        owners: dict[int, set[int]] = {}
        for former, owner in found_rows:
            owners.setdefault(former, set()).add(owner)
        for one in facts:
            mine = {one.profile_id, one.drawn_id}
            one.is_reassigned = any(owners.get(pk, set()) - mine for pk in mine)

    def _choices(self, people: dict[int, list[Facts]]) -> None:
        found_rows = statements.rows(
            """
            SELECT profile_id, topic_id, decision, out_epoch, out_at FROM audiences_choice
            WHERE profile_id = ANY(%s::bigint[]) AND (topic_id IS NULL OR topic_id = %s)
            """,
            [plain(people), self.wave.topic_id],
        )
        for profile_id, topic_id, *row in found_rows:
            for one in people[profile_id]:
                one.choices[topic_id] = ChoiceFacts(*row)

    def _intents(self, people: dict[int, list[Facts]], *, now: dt.datetime) -> None:
        hours = max([cap.hours for cap in self.caps] + [-(-self.rules.cool_down_minutes // 60)], default=0)
        if not hours or self.wave.message_class == "transactional":
            return
        since = now - dt.timedelta(hours=hours)
        # OFFSET 0: each profile's are looked up by themselves, or all that went out in this time would be read.
        found_rows = statements.rows(
            """
            WITH who AS (
                SELECT id, id AS survivor FROM unnest(%(ids)s::bigint[]) AS id
                UNION ALL
                SELECT id, merged_into_id FROM audiences_profile WHERE merged_into_id = ANY(%(ids)s::bigint[])
            )
            SELECT who.survivor, m.id, m.intent_at, w.topic_id, w.message_class
            FROM who, LATERAL (
                SELECT id, intent_at, wave_id FROM delivery_message
                WHERE profile_id = who.id AND intent_at > %(since)s AND wave_on >= %(wave_on)s
                  AND state IN ('queued', 'claimed', 'pushing', 'sent', 'unknown')
                OFFSET 0
            ) m JOIN delivery_wave w ON w.id = m.wave_id
            """,
            {"ids": plain(people), "since": since, "wave_on": (since - LONGEST_WAVE).date()},
        )
        for profile_id, message_id, at, topic_id, message_class in found_rows:
            for one in people[profile_id]:
                if one.message_id != message_id:
                    one.intents.append(Intent(at, topic_id, message_class))

    def _earlier(self, facts: list[Facts]) -> None:
        devices: dict[str, set[int]] = {}
        for one in facts:
            devices.setdefault(one.send_key, set()).update(device.id for device in one.devices)
        pairs = [(key, device_id) for key, ids in devices.items() for device_id in ids]
        if not pairs:
            return
        found_rows = statements.rows(
            """
            SELECT p.send_key, p.device_id, p.id, p.message_id, p.state, p.attempt, p.due_at,
                   p.intent_at, p.reason
            FROM unnest(string_to_array(%s::text, E'\\x1f'), %s::bigint[]) AS k(send_key, device_id)
                 JOIN delivery_push p ON p.send_key = k.send_key AND p.device_id = k.device_id
            WHERE p.wave_on = %s
            """,
            [joined(key for key, _ in pairs), plain([device_id for _, device_id in pairs]), self.wave.wave_on],
        )
        found = {(key, device_id): EarlierPush(*row) for key, device_id, *row in found_rows}
        if found:
            for one in facts:
                one.earlier = {d.id: found[one.send_key, d.id] for d in one.devices if (one.send_key, d.id) in found}


def _has_no_live(facts: Facts) -> bool:
    return all(device.why_not_live for device in facts.devices)
