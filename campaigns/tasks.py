"""What workers and the clock run: ids in, one call into the domain."""

from __future__ import annotations

import logging

from audiences.database_clock import database_now
from campaigns import launch, planner
from campaigns.models import Campaign
from campaigns.results import rollups
from delivery.models import Wave

log = logging.getLogger(__name__)
LIVE = (Campaign.State.RUNNING, Campaign.State.PAUSED)


def open_due() -> None:
    """Open the waves of campaigns whose time has come, and plan what is not planned yet. Safe to run twice.

    One that fails keeps no other back: it is told, and tried again at the next turn. The first failure is raised then.
    """
    now = database_now()
    failures: list[Exception] = []
    for campaign in Campaign.objects.due(now):
        try:
            planner.open_wave(campaign, now=now)
        except Exception as failure:
            log.error("campaign %s was not opened: %s", campaign.pk, failure)
            failures.append(failure)
    for wave in Wave.objects.filter(state=Wave.State.PLANNING, content_source="campaign").order_by("due_at", "pk"):
        try:
            while planner.plan(wave, now=database_now()):
                pass
        except Exception as failure:
            log.error("wave %s was not planned: %s", wave.pk, failure)
            failures.append(failure)
    if failures:
        raise failures[0]


def count_large() -> None:
    """Renew the sums of large campaigns that are due for it, one after the other."""
    for wave, goal in rollups.due(now=database_now()):
        rollups.renew(wave, goal, now=database_now())


def close_finished() -> None:
    """Campaigns whose waves are all over are over; one whose wave was paused is paused."""
    launch.notice_halts()
    for campaign in Campaign.objects.filter(state__in=LIVE):
        waves = Wave.objects.filter(origin=campaign.origin)
        if waves and all(wave.state in (Wave.State.FINISHED, Wave.State.STOPPED) for wave in waves):
            Campaign.objects.filter(pk=campaign.pk, state__in=LIVE).update(
                state=Campaign.State.FINISHED, finished_at=database_now()
            )
