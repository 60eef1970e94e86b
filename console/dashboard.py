"""Home: what is going out, what is wrong, what worked."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from audiences.models import Device, Event, Profile, Segment, Source
from campaigns.models import Campaign, MessageTemplate
from campaigns.results.campaign import CampaignResult, result_of
from console.admin.site import console_page, render_page
from console.progress import Progress, progress_of
from console.reports.words import verdict
from console.troubles import troubles
from delivery.models import Wave

RECENT = 3
State = Campaign.State


@dataclass(frozen=True, slots=True)
class Going:
    """A campaign that is going out, or will; its progress once its wave is planned."""

    campaign: Campaign
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class Worked:
    """A finished campaign, what it did, and what may be said about it."""

    campaign: Campaign
    result: CampaignResult
    headline: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a new site's first push."""

    done: bool
    says: str
    name: str


def home(request: HttpRequest) -> HttpResponse:
    """The first page. What worked is fetched after it, since its numbers cost more."""
    now = timezone.now()
    going = _going_out(now)
    first_steps = [] if Campaign.objects.exclude(state=State.DRAFT).exists() else _first_steps(now)
    return render_page(
        request,
        "console/home.html",
        title="Home",
        going=going,
        troubles=[
            one for one in troubles(now=now) if one.permission == "" or not request.user.has_perm(one.permission)
        ],
        first_steps=first_steps,
        now=now,
    )


@console_page
def going_out(request: HttpRequest) -> HttpResponse:
    """The list of what is going out, alone: the page asks for it again and again."""
    return render(request, "console/home_going_out.html", {"going": _going_out(timezone.now())})


@console_page
def what_worked(request: HttpRequest) -> HttpResponse:
    """The last finished campaigns with what they did."""
    now = timezone.now()
    finished = Campaign.objects.filter(state=State.FINISHED).order_by("-finished_at", "-pk")[:RECENT]
    results = [_worked(campaign, now) for campaign in finished]
    return render(request, "console/home_what_worked.html", {"results": results})


def _worked(campaign: Campaign, now: dt.datetime) -> Worked:
    result = result_of(campaign, now=now)
    headline, explanation = verdict(result)
    return Worked(campaign, result, headline, explanation)


def _going_out(now: dt.datetime) -> list[Going]:
    live = list(
        Campaign.objects.filter(state__in=[State.RUNNING, State.PAUSED, State.SCHEDULED]).order_by("scheduled_at", "pk")
    )
    origins = [campaign.origin for campaign in live if campaign.state != State.SCHEDULED]
    waves = list(Wave.objects.filter(origin__in=origins)) if origins else []
    progress = {one.wave.origin: one for one in progress_of(waves)}
    return [Going(campaign, progress.get(campaign.origin)) for campaign in live]


def _first_steps(now: dt.datetime) -> list[Step]:
    return [
        Step(
            Source.objects.exists(),
            "Make a source, so that your site or app can send what people do",
            "audiences_source_add",
        ),
        Step(
            Event.objects.filter(occurred_at__gt=now - dt.timedelta(days=90)).exists() or Profile.objects.exists(),
            "Send the first event; profiles appear by themselves",
            "audiences_profile_changelist",
        ),
        Step(
            Device.objects.live().exists(),
            "Put the opt-in on your site, so that people can be reached",
            "audiences_source_changelist",
        ),
        Step(Segment.objects.exists(), "Make a segment: whom is it for?", "audiences_segment_add"),
        Step(
            MessageTemplate.objects.filter(versions__isnull=False).exists(),
            "Write a template and publish it: what does it say?",
            "campaigns_messagetemplate_add",
        ),
        Step(Campaign.objects.exists(), "Make a campaign and launch it", "campaigns_campaign_add"),
    ]
