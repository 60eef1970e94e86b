"""The report pages: a campaign's numbers as words first, then the picture, the figures, and the method in a fold."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from campaigns.models import Campaign
from campaigns.results.campaign import CampaignResult, result_of
from campaigns.results.lift import wilson
from campaigns.results.outcomes import COLUMNS, rows
from console.admin.site import console_page, render_page
from console.reports import charts, words
from console.reports.exports import csv_response
from console.verdict_words import reason_words
from delivery.models import Wave


@console_page
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Every campaign that went out, the newest first."""
    campaigns = Campaign.objects.exclude(state__in=[Campaign.State.DRAFT, Campaign.State.SCHEDULED])
    newest = list(campaigns.order_by("-launched_at", "-pk")[:200])
    waves = {wave.origin: wave for wave in Wave.objects.filter(origin__in=[one.origin for one in newest])}
    # One that was stopped before its time never went out.
    listed = [(one, waves[one.origin]) for one in newest if one.origin in waves]
    return render_page(request, "reports/index.html", title="Reports", campaigns=listed)


@console_page
@require_safe
def campaign(request: HttpRequest, pk: int) -> HttpResponse:
    """One campaign's report."""
    one = get_object_or_404(Campaign.objects.select_related("topic", "version"), pk=pk)
    result = result_of(one, now=timezone.now())
    headline, explanation = words.verdict(result)
    reasons = _reasons(result)
    figures = {"funnel": charts.funnel(result.funnel), "course": charts.course(result)}
    if reasons:
        figures["reasons"] = charts.reasons([(said, n) for said, _, n in reasons])
    if result.caused.control.n:
        figures["arms"] = charts.arms(result.caused.told, result.caused.control)
    return render_page(
        request,
        "reports/campaign.html",
        title=one.name,
        crumbs=[("Reports", reverse("console:reports"))],
        campaign=one,
        result=result,
        headline=headline,
        explanation=explanation,
        tone={"up": "good", "down": "bad"}.get(result.verdict, "info"),
        told_share=f"{result.caused.told.rate:.2%}",
        control_share=f"{result.caused.control.rate:.2%}",
        opt_outs=words.opt_outs(result),
        reasons=reasons,
        table=_table(result),
        figures=[(f"chart-{name}", figure) for name, figure in figures.items()],
        shows=set(figures),
    )


@console_page
@require_safe
def summary_csv(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The report's own table as a file."""
    one = get_object_or_404(Campaign, pk=pk)
    return csv_response(f"campaign-{pk}-summary", ("measure", "value"), _table(result_of(one, now=timezone.now())))


@console_page
@require_safe
def profiles_csv(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One line for each profile that came into question: the report recomputes from it."""
    one = get_object_or_404(Campaign, pk=pk)
    result = result_of(one, now=timezone.now())
    lines = rows(result.wave, result.goal) if result.wave else ()
    return csv_response(f"campaign-{pk}-profiles", COLUMNS, lines)


def _reasons(result: CampaignResult) -> list[tuple[str, str, int]]:
    """(words, code, profiles), most first."""
    return [(reason_words(reason), reason, n) for _, reason, n in result.reasons]


def _table(result: CampaignResult) -> list[tuple[str, object]]:
    """Every figure of the page, as (measure, value): shares are 0–1, rounded to six digits."""
    told, control, lift = result.caused.told, result.caused.control, result.caused.lift
    low, high = result.caused.difference_interval
    lines: list[tuple[str, object]] = [(stage.name, stage.profiles) for stage in result.funnel]
    lines += [
        ("dismissed", result.dismissed),
        ("held out as control", result.held_out),
        ("held out from everything", result.global_holdout),
        ("still open", result.open),
        ("attributed conversions", result.attributed),
        ("told: profiles", told.n),
        ("told: converted", told.conversions),
        ("told: share", round(told.rate, 6)),
        ("held out: profiles", control.n),
        ("held out: converted", control.conversions),
        ("held out: share", round(control.rate, 6)),
        ("difference", round(told.rate - control.rate, 6)),
        ("difference: low", round(low, 6)),
        ("difference: high", round(high, 6)),
        ("p", round(result.caused.p, 6)),
    ]
    if lift:
        lines += [
            ("lift", round(lift.lift, 6)),
            ("lift: low", round(lift.interval[0], 6)),
            ("lift: high", round(lift.interval[1], 6)),
            ("caused conversions", round(lift.incremental, 1)),
            ("caused conversions: low", round(lift.incremental_interval[0], 1)),
            ("caused conversions: high", round(lift.incremental_interval[1], 1)),
        ]
    for name, arm in (("told", result.opt_outs.told), ("held out", result.opt_outs.control)):
        ends = wilson(arm)
        lines += [
            (f"{name}: opted out or lost permission", arm.conversions),
            (f"{name}: opt-out share", round(arm.rate, 6)),
        ]
        lines += [
            (f"{name}: opt-out share, {end}", round(at, 6)) for end, at in zip(("low", "high"), ends, strict=True)
        ]
    lines += [
        ("told: lost permission without opting out", result.lost_permission),
        ("told: addresses that were dead", result.dead_addresses),
    ]
    return lines + [(f"not sent: {reason}", n) for _, reason, n in result.reasons]
