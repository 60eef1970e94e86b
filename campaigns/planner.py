"""A due campaign → its wave → one message for each profile of the audience, in batches that can be resumed."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connection, transaction

from audiences.partitions import ensure_months
from audiences.segments import audience
from campaigns.models import Campaign
from delivery.arms import arm_sql
from delivery.models import Arm, MessageClass, SendingRules, Wave

PLAN_BATCH = 250_000


def open_wave(campaign: Campaign, *, now: dt.datetime) -> Wave | None:
    """Turn a due campaign into its wave. One caller wins; the others get None."""
    with transaction.atomic():
        won = Campaign.objects.filter(pk=campaign.pk, state=Campaign.State.SCHEDULED, scheduled_at__lte=now).update(
            state=Campaign.State.RUNNING
        )
        if not won:
            return None
        campaign.refresh_from_db()
        assert campaign.scheduled_at is not None and campaign.version is not None
        return Wave.objects.create(
            origin=campaign.origin,
            occurrence="once",
            wave_on=campaign.scheduled_at.astimezone(dt.UTC).date(),
            message_class=campaign.message_class,
            topic=campaign.topic,
            content_source="campaign",
            content_ref=campaign.version_id,
            control_salt=campaign.salt,
            control_share=campaign.control_percent * 100,
            must_arrive=campaign.version.must_arrive,
            ttl_seconds=campaign.version.ttl_seconds,
            due_at=campaign.scheduled_at,
            expires_at=campaign.scheduled_at + dt.timedelta(hours=campaign.expires_hours),
            # A campaign may wait for quiet hours and throttles as long as it has not expired.
            tolerance_minutes=campaign.expires_hours * 60,
            per_minute=campaign.per_minute,
            exact_time=campaign.exact_time,
            created_at=now,
            simulated=campaign.simulated,
        )


def plan(wave: Wave, *, now: dt.datetime, batch: int = PLAN_BATCH) -> bool:
    """Write the next batch of messages. Returns whether there is more to plan.

    Resumable by key range: the cursor moves in the transaction that writes the rows, and a row that exists already
    (a crash, a repeated call) is left alone. Rows wait unclaimable until the whole wave is planned and runs.
    """
    ensure_months("delivery_message", [wave.wave_on])
    ensure_months("delivery_push", [wave.wave_on])
    campaign = Campaign.objects.get(pk=int(wave.origin.partition(":")[2]))
    members, params = audience.members(campaign.included.all(), campaign.excluded.all(), now=wave.due_at)
    with transaction.atomic(), connection.cursor() as cursor:
        wave = Wave.objects.select_for_update().get(pk=wave.pk)
        if wave.state != Wave.State.PLANNING:
            return False
        start = wave.plan_cursor
        cursor.execute("SELECT max(id) FROM audiences_profile")
        last = cursor.fetchone()[0] or 0
        end = min(start + batch, last)
        if end > start:
            audience.make_room(cursor)
            arm, arm_params = _arm_sql(wave, SendingRules.current())
            cursor.execute(
                f"""
                INSERT INTO delivery_message
                    (wave_on, wave_id, profile_id, arm, state, due_at, planned_at, planned_epoch)
                SELECT %s, %s, s.profile_id, {arm}, 'queued', %s, %s, s.epoch
                FROM ({members}) m JOIN audiences_standing s ON s.profile_id = m.id
                WHERE m.id > %s AND m.id <= %s
                ON CONFLICT DO NOTHING
                """,
                [wave.wave_on, wave.pk, *arm_params, wave.due_at, now, *params, start, end],
            )
            wave.planned_count += cursor.rowcount
        wave.plan_cursor = end
        if end >= last:
            wave.planned_at = wave.running_at = now
            wave.state = Wave.State.RUNNING
        wave.save(update_fields=["planned_count", "plan_cursor", "planned_at", "running_at", "state"])
        if wave.planned_at is not None:
            # Fresh rows have no statistics yet; whoever counts or claims them next plans by what is there.
            cursor.execute("ANALYZE delivery_message")
    return wave.planned_at is None


def _arm_sql(wave: Wave, rules: SendingRules) -> tuple[str, list[Any]]:
    if wave.message_class == MessageClass.TRANSACTIONAL:
        return f"'{Arm.TOLD}'", []
    return arm_sql("s.profile_id", rules, salt=wave.control_salt, share=wave.control_share)
