"""The pages of one campaign: its form, its launch, and what it does while it goes out."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from audiences.database_clock import database_now
from audiences.look_up import called
from audiences.models import EventName, Profile
from campaigns import launch as deeds
from campaigns import preflight
from campaigns.models import Campaign
from console.admin.site import console_page, render_page
from console.campaign_form import CampaignForm
from console.campaign_live import OUTCOMES, live_view
from console.campaign_summary import summarise
from console.progress import progress_of
from console.stops import forget as forget_stops
from console.verdict_words import reason_words, state_words
from delivery.models import Message, Wave

LIST = "console:campaigns_campaign_changelist"
PAGE = "console:campaigns_campaign_change"
MAY_CHANGE = "campaigns.change_campaign"
MESSAGES_A_PAGE = 100
STOP_POLLING = 286
OUTCOME_WORDS = {
    "sent": "Sent",
    "rejected": "Refused",
    "dropped": "Device gone",
    "unknown": "Unknown",
    "retry": "Tried again",
}
State = Campaign.State


@dataclass(frozen=True, slots=True)
class Deed:
    """A button that changes what a campaign does: what its page asks and says."""

    name: str
    question: str
    explains: str
    button: str
    sources: tuple[str, ...]
    is_danger: bool = False


DEEDS = {
    deed.name: deed
    for deed in (
        Deed(
            "pause",
            "Pause this campaign?",
            "What is not on its way yet waits until you resume. What was sent stays sent.",
            "Pause",
            (State.SCHEDULED, State.RUNNING),
        ),
        Deed("resume", "Let it go on?", "Sending goes on where it was paused.", "Resume", (State.PAUSED,)),
        Deed(
            "stop",
            "Stop this campaign for good?",
            "Whoever has not got it by now never will. This cannot be taken back.",
            "Stop for good",
            (State.SCHEDULED, State.RUNNING, State.PAUSED),
            is_danger=True,
        ),
    )
}


@console_page(permission="campaigns.add_campaign")
def new(request: HttpRequest) -> HttpResponse:
    """The empty form; POST saves a draft."""
    return _form(request, Campaign(created_by=request.user))  # type: ignore[misc]


@console_page(permission="campaigns.view_campaign")
def campaign(request: HttpRequest, object_id: str) -> HttpResponse:
    """The form of a draft, or what became of a launched campaign."""
    found = _campaign(object_id)
    if found.state == State.DRAFT:
        if not request.user.has_perm(MAY_CHANGE):
            raise PermissionDenied
        return _form(request, found)
    return render_page(request, "console/campaign.html", title=found.name, crumbs=_crumbs(), **_running(found))


@console_page(permission="campaigns.view_campaign")
def progress(request: HttpRequest, pk: int) -> HttpResponse:
    """How far it is, alone: its page asks for it every two seconds, until it is over (286 tells htmx to stop)."""
    shown = _running(get_object_or_404(Campaign, pk=pk), said_state=request.GET.get("state", ""))
    status = 200 if shown["is_live"] else STOP_POLLING
    return render(request, "console/campaign_progress.html", shown, status=status)


@console_page(permission=MAY_CHANGE)
@require_POST
def summary(request: HttpRequest) -> HttpResponse:
    """What the form as it stands would do, and what is still missing. Saves nothing."""
    pk = request.POST.get("campaign", "")
    if pk and not pk.isdecimal():
        raise Http404
    saved = get_object_or_404(Campaign, pk=int(pk), state=State.DRAFT) if pk else Campaign()
    form = CampaignForm(request.POST, instance=saved)
    now = database_now()
    found = _problems_of(form, now=now)
    said = form.cleaned_data
    return render(
        request,
        "console/campaign_summary.html",
        {
            "summary": summarise(
                list(said.get("included") or ()),
                list(said.get("excluded") or ()),
                control_percent=said.get("control_percent") or 0,
                goal_event=said.get("goal_event") or "",
                goal_hours=said.get("goal_hours") or 168,
                now=now,
            ),
            "errors": [problem for problem in found if problem.severity == "error"],
            "warnings": [problem for problem in found if problem.severity != "error"],
            "beside": _by_field(found) if pk else {},
            "said": said,
        },
    )


@console_page(permission=MAY_CHANGE)
@require_http_methods(["GET", "POST"])
def launch(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks, with what it will do; POST launches."""
    found = get_object_or_404(Campaign.objects.select_related("template", "topic"), pk=pk)
    now = database_now()
    if request.method == "POST":
        try:
            deeds.launch(found, by=request.user, now=now)  # type: ignore[arg-type]
        except deeds.NotLaunchable as refused:
            for problem in refused.problems:
                messages.error(request, problem.message)
        else:
            messages.success(request, "Launched. This page follows it.")
        return HttpResponseRedirect(reverse(PAGE, args=[pk]))
    if found.state != State.DRAFT:
        return HttpResponseRedirect(reverse(PAGE, args=[pk]))
    problems = preflight.problems(found, now=now)
    return render_page(
        request,
        "console/campaign_launch.html",
        title="Launch",
        crumbs=[*_crumbs(), (found.name, reverse(PAGE, args=[pk]))],
        campaign=found,
        problems=problems,
        blocked=any(problem.severity == "error" for problem in problems),
        summary=summarise(
            list(found.included.all()),
            list(found.excluded.all()),
            control_percent=found.control_percent,
            goal_event=found.goal_event,
            goal_hours=found.goal_hours,
            now=now,
        ),
    )


@console_page(permission=MAY_CHANGE)
@require_http_methods(["GET", "POST"])
def deed(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Pause, resume or stop: GET asks, POST does it."""
    wanted = DEEDS.get(name)
    if wanted is None:
        raise Http404
    found = get_object_or_404(Campaign, pk=pk)
    address = reverse(PAGE, args=[pk])
    if request.method == "POST":
        now = database_now()
        late = _too_late(found, now=now) if name == "resume" else ""
        done = {
            "pause": lambda: deeds.pause(found, now=now),
            "resume": lambda: deeds.resume(found, now=now),
            "stop": lambda: deeds.stop(found, now=now),
        }[name]()
        forget_stops()
        if done:
            messages.success(request, f"The campaign is {found.get_state_display()} now.")
            if late:
                messages.warning(request, late)
        else:
            messages.warning(request, f"Nothing was changed: the campaign is {found.get_state_display()}.")
        return HttpResponseRedirect(address)
    if found.state not in wanted.sources:
        return HttpResponseRedirect(address)
    return render_page(
        request,
        "console/campaign_deed.html",
        title=wanted.button,
        crumbs=[*_crumbs(), (found.name, address)],
        campaign=found,
        deed=wanted,
        warning=_too_late(found, now=database_now()) if name == "resume" else "",
    )


@console_page(permission="campaigns.view_campaign")
def people(request: HttpRequest, pk: int) -> HttpResponse:
    """Who got it and who did not: the messages of its wave, by state, reason and person, page by page."""
    found = get_object_or_404(Campaign, pk=pk)
    wave = Wave.objects.filter(origin=found.origin).order_by("pk").first()
    asked = {name: text for name in ("state", "reason", "arm") if (text := request.GET.get(name, ""))}
    words = request.GET.get("q", "").strip()
    kept = asked | ({"q": words} if words else {})
    rows: list[Message] = []
    if wave:
        after = int(text) if (text := request.GET.get("after", "")).isdecimal() else 0
        meant = {"profile__in": Profile.objects.filter(called(words), pk__gt=after)} if words else {}
        # By profile, as the ledger's unique key is: a page is one index range, however far along.
        rows = list(
            Message.objects.filter(wave=wave, wave_on=wave.wave_on, profile_id__gt=after, **asked, **meant)
            .select_related("profile")
            .defer("verdicts", "data")
            .order_by("profile_id")[: MESSAGES_A_PAGE + 1]
        )
    more = len(rows) > MESSAGES_A_PAGE
    rows = rows[:MESSAGES_A_PAGE]
    return render_page(
        request,
        "console/campaign_people.html",
        title="Who got it, who did not",
        crumbs=[*_crumbs(), (found.name, reverse(PAGE, args=[pk]))],
        campaign=found,
        rows=[(row, state_words(row.state), reason_words(row.reason)) for row in rows],
        states=[(state.value, state_words(state.value)) for state in Message.State],
        asked=asked,
        words=words,
        reason=reason_words(asked.get("reason", "")),
        next_page=f"?{urlencode(kept | {'after': str(rows[-1].profile_id)})}" if more else "",
    )


def _too_late(campaign: Campaign, *, now: dt.datetime) -> str:
    """Whom a resumed campaign cannot reach any more, as a sentence; empty where there is time for all."""
    wave = Wave.objects.filter(origin=campaign.origin, state=Wave.State.PAUSED).first()
    if wave is None or wave.planned_at is None:
        return ""
    (found,) = progress_of([wave])
    people = found.too_late(now=now)
    if not people:
        return ""
    who = f"{people:,} {'person' if people == 1 else 'people'}"
    if found.ends <= now:
        return f"Its time was over at {found.ends:%-d %b %H:%M} UTC: the {who} who still wait will not get it."
    return (
        f"About {who} will not get it: it is worth sending until {found.ends:%-d %b %H:%M} UTC, "
        f"and goes to no more than {wave.per_minute:,} a minute."
    )


def _form(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    form = CampaignForm(request.POST or None, instance=campaign)
    if "launch" in request.POST:
        for problem in _problems_of(CampaignForm(request.POST, instance=copy(campaign)), now=database_now()):
            field = "start_at" if problem.field == "scheduled_at" else problem.field
            if problem.severity == "error" and not form.has_error(field or NON_FIELD_ERRORS):
                form.add_error(field if field in form.fields else None, problem.message)
    if request.method == "POST" and form.is_valid():
        saved = form.save()
        if "launch" in request.POST:
            return HttpResponseRedirect(reverse("console:campaign_launch", args=[saved.pk]))
        messages.success(request, "Saved as a draft. Nothing goes out before you launch it.")
        return HttpResponseRedirect(reverse(PAGE, args=[saved.pk]))
    return render_page(
        request,
        "console/campaign_form.html",
        title=campaign.name if campaign.pk else "New campaign",
        crumbs=_crumbs(),
        form=form,
        campaign=campaign,
        events=EventName.objects.order_by("name").values_list("name", flat=True)[:200],
        zones=["UTC", "Europe/London", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "Asia/Kolkata"],
    )


def _running(campaign: Campaign, *, said_state: str = "") -> dict[str, Any]:
    """What the page of a launched campaign shows. `said_state`: what the page that asks shows of its state already."""
    live = live_view(campaign, now=database_now())
    return {
        "campaign": campaign,
        "live": live,
        "progress": live.progress,
        "wave": live.progress.wave if live.progress else None,
        "outcomes": [OUTCOME_WORDS[outcome] for outcome in OUTCOMES],
        "deeds": [deed for deed in DEEDS.values() if campaign.state in deed.sources],
        "is_live": campaign.state in (State.SCHEDULED, State.RUNNING, State.PAUSED),
        "is_new_state": said_state not in ("", campaign.state),
    }


def _problems_of(form: CampaignForm, *, now: dt.datetime) -> list[preflight.Problem]:
    """What is wrong with the form and missing in it, or, if nothing is, what preflight says to what it would save."""
    if not form.is_valid():
        wrong = [
            preflight.Problem("error", field if field != NON_FIELD_ERRORS else "", str(error))
            for field, errors in form.errors.items()
            for error in errors
        ]
        return wrong + [problem for problem in preflight.measuring(form.instance) if not form.has_error(problem.field)]
    with transaction.atomic():
        found = preflight.problems(form.save(), now=now)
        transaction.set_rollback(True)
    return found


def _by_field(problems: Iterable[preflight.Problem]) -> dict[str, list[preflight.Problem]]:
    beside: dict[str, list[preflight.Problem]] = defaultdict(list)
    for problem in problems:
        beside[problem.field].append(problem)
    return {name: beside.get(name, []) for name in [*CampaignForm.base_fields, "scheduled_at"]}


def _campaign(object_id: str) -> Campaign:
    if not object_id.isdecimal():
        raise Http404
    return get_object_or_404(Campaign.objects.select_related("template", "topic", "version"), pk=int(object_id))


def _crumbs() -> list[tuple[str, str]]:
    return [("Campaigns", reverse(LIST))]
