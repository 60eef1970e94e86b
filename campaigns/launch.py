"""Launching a campaign, and halting it: the deeds behind the console's buttons."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import transaction

from campaigns import preflight
from campaigns.models import Campaign
from delivery.models import Wave

State = Campaign.State
BY_HAND = "paused by hand"


class NotLaunchable(ValueError):
    """Preflight found errors; `problems` lists them beside their fields."""

    def __init__(self, problems: Sequence[preflight.Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = list(problems)


def launch(campaign: Campaign, *, by: User | None, now: dt.datetime) -> None:
    """Freeze the template's latest version and schedule the campaign, or raise NotLaunchable.

    A campaign without a time of its own is due at once. Who launches twice has launched once.
    """
    with transaction.atomic():
        campaign = _locked(campaign)
        if campaign.state != State.DRAFT:
            return
        errors = [problem for problem in preflight.problems(campaign, now=now) if problem.severity == "error"]
        if errors:
            raise NotLaunchable(errors)
        campaign.version = campaign.template.latest()
        campaign.scheduled_at = max(campaign.scheduled_at or now, now)
        campaign.launched_at = now
        campaign.launched_by = by
        campaign.state = State.SCHEDULED
        campaign.save()


def pause(campaign: Campaign, *, now: dt.datetime, reason: str = BY_HAND) -> bool:
    """Hold everything that has no intent yet. Returns whether it was going out."""
    return _move(campaign, [State.SCHEDULED, State.RUNNING], State.PAUSED, Wave.State.PAUSED, reason, now=now)


def notice_halts() -> int:
    """A campaign whose wave was paused on its way, by a guard of delivery, is paused. Returns how many are so now."""
    halted = 0
    for pk in Campaign.objects.filter(state=State.RUNNING).values_list("pk", flat=True):
        with transaction.atomic():
            running = Campaign.objects.select_for_update().filter(pk=pk, state=State.RUNNING).first()
            if running and Wave.objects.filter(origin=running.origin, state=Wave.State.PAUSED).exists():
                halted += Campaign.objects.filter(pk=pk).update(state=State.PAUSED)
    return halted


def resume(campaign: Campaign, *, now: dt.datetime) -> bool:
    """Go on where it was paused. Returns whether it was paused."""
    notice_halts()
    opened = Wave.objects.filter(origin=campaign.origin).exists()
    target = State.RUNNING if opened else State.SCHEDULED
    return _move(campaign, [State.PAUSED], target, Wave.State.RUNNING, "", now=now)


def stop(campaign: Campaign, *, now: dt.datetime, reason: str = "stopped by hand") -> bool:
    """End it for good: what has no intent yet is held back with that reason. Returns whether there was a change."""
    live = [State.SCHEDULED, State.RUNNING, State.PAUSED]
    stopped = _move(campaign, live, State.STOPPED, Wave.State.STOPPED, reason, now=now)
    if stopped:
        Campaign.objects.filter(pk=campaign.pk).update(finished_at=now)
    return stopped


def _move(
    campaign: Campaign, sources: list[State], target: State, wave_target: Wave.State, reason: str, *, now: dt.datetime
) -> bool:
    with transaction.atomic():
        moved = Campaign.objects.filter(pk=campaign.pk, state__in=sources).update(state=target)
        if moved:
            waves = Wave.objects.filter(origin=campaign.origin).exclude(
                state__in=[Wave.State.FINISHED, Wave.State.STOPPED]
            )
            for wave in waves.select_for_update():
                # A wave whose planning was cut short goes back to planning, not to running.
                unplanned = wave_target == Wave.State.RUNNING and wave.planned_at is None
                wave.state = Wave.State.PLANNING if unplanned else wave_target
                wave.state_reason = reason
                wave.fix_count = 0
                if wave.state == Wave.State.RUNNING:
                    wave.running_at = now
                wave.save(update_fields=["state", "state_reason", "fix_count", "running_at"])
        campaign.refresh_from_db(fields=["state"])
    return bool(moved)


def _locked(campaign: Campaign) -> Campaign:
    Campaign.objects.select_for_update().get(pk=campaign.pk)
    campaign.refresh_from_db(fields=["state"])
    return campaign
