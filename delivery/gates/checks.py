"""The gates, each a pure function of the facts and the moment. Their order is in judge.py."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from audiences.models import Decision
from delivery.gates.facts import Facts
from delivery.gates.quiet import boundary, is_quiet, zone_named
from delivery.gates.verdict import Effect, Verdict
from delivery.models import Arm, Wave

PAUSE_SECONDS = 60


def duplicate(facts: Facts, *, now: dt.datetime) -> Verdict:
    """1: two profiles that became one: every device of theirs got this wave already."""
    if facts.earlier and facts.devices:
        live = [device.id for device in facts.devices if not device.why_not_live]
        if live and all(
            (push := facts.earlier.get(device)) is not None and push.message_id != facts.message_id for device in live
        ):
            return Verdict.no("duplicate", "device_already_served", devices=len(live))
    return Verdict.yes("duplicate")


def profile(facts: Facts, *, now: dt.datetime) -> Verdict:
    """2: the profile is there and was not erased."""
    if not facts.exists or facts.erased:
        return Verdict.no("profile", "erased")
    return Verdict.yes("profile", merged_into=facts.profile_id) if facts.is_merged else Verdict.yes("profile")


def running(facts: Facts, *, now: dt.datetime) -> Verdict:
    """3: the wave runs."""
    state = facts.wave.state
    if state == Wave.State.RUNNING:
        return Verdict.yes("running")
    if state == Wave.State.STOPPED:
        return Verdict.no("running", "stopped")
    free = now + dt.timedelta(seconds=PAUSE_SECONDS)
    return Verdict.no("running", "paused", effect=Effect.DEFER, frees_at=free)


def device(facts: Facts, *, now: dt.datetime) -> Verdict:
    """5: there is a device that may be pushed to."""
    causes = [one.why_not_live for one in facts.devices]
    live = causes.count("")
    if live:
        return Verdict.yes("device", live=live)
    if facts.is_reassigned:
        return Verdict.no("device", "device_reassigned", devices=len(causes))
    if not causes:
        return Verdict.no("device", "no_device")
    # What we must mend is named first, then what the person could change most easily.
    order = (
        "credential_missing",
        "no_permission",
        "needs_resubscribe",
        "logged_out",
        "address_stale",
        "address_dead",
    )
    return Verdict.no("device", next(cause for cause in order if cause in causes), devices=len(causes))


def consent(facts: Facts, *, now: dt.datetime) -> Verdict:
    """6: no opt-out of everything, none of the topic, and none of either since this message was planned."""
    everything = facts.choices.get(None)
    if everything and everything.decision == Decision.OUT:
        return Verdict.no("consent", "opted_out", choice="all notifications")
    topic = None if facts.is_transactional else facts.wave.topic
    choice = facts.choices.get(topic.pk) if topic else None
    if topic and (choice.decision == Decision.OUT if choice else not topic.default_on):
        reason = "topic_opted_out" if choice else "topic_off_by_default"
        return Verdict.no("consent", reason, topic=topic.name)
    for known in (everything, choice):
        if known and _since_planning(facts, known.out_epoch, known.out_at):
            # They came back later, for later messages: this one was planned before they left.
            return Verdict.no("consent", "opted_out_since_planned")
    return Verdict.yes("consent", topic=topic.name) if topic else Verdict.yes("consent")


def _since_planning(facts: Facts, out_epoch: int | None, out_at: dt.datetime | None) -> bool:
    if out_epoch is None or out_at is None:
        return False
    if facts.is_merged:
        # Epochs count per profile; across a merge only the clock is common. A minute early rather than a push late.
        return out_at >= facts.planned_at - dt.timedelta(minutes=1)
    return out_epoch > facts.planned_epoch


def expiry(facts: Facts, *, now: dt.datetime) -> Verdict:
    """9: neither past its end nor later than is tolerable."""
    wave = facts.wave
    if now >= facts.expires_at:
        return Verdict.no("expiry", "expired", effect=Effect.EXPIRE, expired_at=facts.expires_at.isoformat())
    late = facts.wave.due_at + dt.timedelta(minutes=wave.tolerance_minutes)
    if now >= late and not facts.had_intent:
        return Verdict.no("expiry", "late", effect=Effect.EXPIRE, tolerance_minutes=wave.tolerance_minutes)
    return Verdict.yes("expiry", good_until=facts.expires_at if facts.had_intent else min(facts.expires_at, late))


def quiet_hours(facts: Facts, *, now: dt.datetime) -> Verdict:
    """10: not in the person's night, by their own clock, or the site's where theirs is not known."""
    rules = facts.rules
    if rules.quiet_from is None or rules.quiet_until is None or rules.quiet_from == rules.quiet_until:
        return Verdict.yes("quiet_hours")
    if facts.is_transactional and not rules.quiet_binds_transactional:
        return Verdict.yes("quiet_hours")
    zone = zone_of(facts)
    hours: dict[str, Any] = {
        "from": f"{rules.quiet_from:%H:%M}",
        "until": f"{rules.quiet_until:%H:%M}",
        "zone": zone.key,
    }
    if not is_quiet(now, zone=zone, start=rules.quiet_from, end=rules.quiet_until):
        starts = boundary(_minute(now), zone=zone, wall=rules.quiet_from, last=False)
        return Verdict.yes("quiet_hours", good_until=starts, zone=zone.key)
    ends = boundary(_minute(now), zone=zone, wall=rules.quiet_until, last=True)
    if ends >= facts.expires_at:
        return Verdict.no("quiet_hours", "expires_in_quiet_hours", effect=Effect.EXPIRE, **hours)
    return Verdict.no("quiet_hours", "quiet_hours", effect=Effect.DEFER, frees_at=ends, **hours)


def zone_of(facts: Facts) -> ZoneInfo:
    """The profile's zone, else the site's, else UTC."""
    return zone_named(facts.zone) or zone_named(facts.rules.default_zone) or ZoneInfo("UTC")


def _minute(now: dt.datetime) -> dt.datetime:
    """Boundaries are the same for all of a minute, so that they are computed once for many profiles."""
    return now.replace(second=0, microsecond=0)


def frequency_caps(facts: Facts, *, now: dt.datetime) -> Verdict:
    """12: rolling windows over the intents, one for a message however many devices it went to."""
    if facts.is_transactional:
        return Verdict.yes("frequency_cap")
    # Of the caps that it passes, the one with the least room is worth telling.
    least: dict[str, Any] = {}
    for cap in facts.caps:
        if cap.topic_id and cap.topic_id != facts.wave.topic_id:
            continue
        if cap.message_class and cap.message_class != facts.wave.message_class:
            continue
        window = dt.timedelta(hours=cap.hours)
        counted = sorted(
            [
                intent.at
                for intent in facts.intents
                if intent.at > now - window
                and (not cap.topic_id or intent.topic_id == cap.topic_id)
                and (not cap.message_class or intent.message_class == cap.message_class)
            ]
        )
        values = {"seen": len(counted), "cap": cap.limit, "hours": cap.hours}
        if len(counted) >= cap.limit:
            # It frees when so many have left the window that one more fits; a cap of zero never does.
            frees = counted[len(counted) - cap.limit] + window if cap.limit else None
            defers = cap.defers and frees is not None and frees < facts.expires_at
            effect = Effect.DEFER if defers else Effect.HOLD_BACK
            return Verdict.no("frequency_cap", "frequency_cap", effect=effect, frees_at=frees, **values)
        if not least or values["cap"] - values["seen"] < least["cap"] - least["seen"]:
            least = values
    return Verdict.yes("frequency_cap", **least)


def cool_down(facts: Facts, *, now: dt.datetime) -> Verdict:
    """13: far enough from the last message."""
    minutes = facts.rules.cool_down_minutes
    if not minutes or facts.is_transactional or not facts.intents:
        return Verdict.yes("cool_down")
    last = max(intent.at for intent in facts.intents)
    frees = last + dt.timedelta(minutes=minutes)
    if now >= frees:
        return Verdict.yes("cool_down", last_at=last.isoformat())
    if frees >= facts.expires_at:
        return Verdict.no("cool_down", "cool_down", frees_at=frees, minutes=minutes, last_at=last.isoformat())
    return Verdict.no(
        "cool_down", "cool_down", effect=Effect.DEFER, frees_at=frees, minutes=minutes, last_at=last.isoformat()
    )


def global_holdout(facts: Facts, *, now: dt.datetime) -> Verdict:
    """17: the few who get nothing, so that the whole can be measured."""
    if facts.arm == Arm.GLOBAL_HOLDOUT:
        return Verdict.no("global_holdout", "global_holdout", effect=Effect.HOLD_OUT)
    return Verdict.yes("global_holdout")


def control(facts: Facts, *, now: dt.datetime) -> Verdict:
    """18: this campaign's control."""
    if facts.arm == Arm.CONTROL:
        share = facts.wave.control_share / 100
        return Verdict.no("control", "control", effect=Effect.HOLD_OUT, percent=share)
    return Verdict.yes("control")
