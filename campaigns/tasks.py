"""What workers and the clock run: ids in, one call into the domain."""

from __future__ import annotations

from django.utils import timezone

from campaigns import launch, planner
from campaigns.models import Campaign
from campaigns.results import rollups
from delivery.models import Wave

LIVE = (Campaign.State.RUNNING, Campaign.State.PAUSED)


def open_due() -> None:
    """Open the waves of campaigns whose time has come, and plan what is not planned yet. Safe to run twice."""
    now = timezone.now()
    for campaign in Campaign.objects.due(now):
        planner.open_wave(campaign, now=now)
    for wave in Wave.objects.filter(state=Wave.State.PLANNING, content_source="campaign").order_by("due_at", "pk"):
        while planner.plan(wave, now=timezone.now()):
            pass


def count_large() -> None:
    """Renew the sums of large campaigns that are due for it, one after the other."""
    for wave, goal in rollups.due(now=timezone.now()):
        rollups.renew(wave, goal, now=timezone.now())


def close_finished() -> None:
    """Campaigns whose waves are all over are over; one whose wave was paused is paused."""
    launch.notice_halts()
    for campaign in Campaign.objects.filter(state__in=LIVE):
        waves = Wave.objects.filter(origin=campaign.origin)
        if waves and all(wave.state in (Wave.State.FINISHED, Wave.State.STOPPED) for wave in waves):
            Campaign.objects.filter(pk=campaign.pk, state__in=LIVE).update(
                state=Campaign.State.FINISHED, finished_at=timezone.now()
            )
