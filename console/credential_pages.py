"""Going on after a push service refused us, and bringing back the devices that it wrongly called dead."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from audiences.database_clock import database_now
from audiences.feedback import QUARANTINE_DAYS
from campaigns import launch
from campaigns.models import Campaign
from console import credential_state, stops
from console.admin.site import Crumb, console_page, render_page
from console.verdict_words import reason_words
from delivery import holds, losses
from delivery.credential_trial import try_out
from delivery.models import Credential, Hold, Loss, Wave
from delivery.restore import Restored, SetAside, restore, set_aside

MAY_CHANGE = "delivery.change_credential"


@console_page(permission=MAY_CHANGE)
@require_http_methods(["GET", "POST"])
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks and shows what is held; POST lifts the holds, or the one that is named. After a mass drop `devices` says
    what becomes of those that were set aside: back, or gone.

    A credential that was refused is tried first, without anybody being told anything: while its gateway still refuses it
    nothing is lifted, unless whoever was told so posts `sure`."""
    credential = get_object_or_404(Credential, pk=pk)
    named = request.POST.get("hold", "")
    held = [
        hold
        for hold in credential.holds.select_related("credential").order_by("origin")
        if not named or str(hold.pk) == named
    ]
    dropped = [hold for hold in held if hold.reason == losses.REASON]
    now = database_now()
    if (
        request.method == "POST"
        and "sure" not in request.POST
        and (refused := _still_refused(credential, held, now=now))
    ):
        messages.error(request, f"Nothing goes on yet. {refused}")
        return HttpResponseRedirect(f"{reverse('console:credential_resume', args=[pk])}?refused=1")
    if request.method == "POST":
        back = _bring_back(dropped, now=now) if request.POST.get("devices") == "back" else Restored()
        if request.POST.get("devices") == "gone":
            losses.believe([(hold.credential_id, hold.origin) for hold in dropped], now=now)
        holds.resume(held)
        if dropped:
            _resume_campaigns(now=now)
        stops.forget()
        messages.success(request, f"Sending goes on. {_said(back)}".strip())
        return HttpResponseRedirect(reverse("console:delivery_credential_change", args=[pk]))
    return render_page(
        request,
        "console/credential_resume.html",
        title="Resume",
        crumbs=_crumbs(credential),
        credential=credential,
        held=[(hold, *stops.words(hold)) for hold in held],
        set_aside=sum(one.count for hold in dropped for one in _lost(hold)),
        dropped=dropped,
        wants_key=any(stops.wants_key(hold) for hold in held),
        has_new_key="new_key" in request.GET,
        is_refused="refused" in request.GET,
    )


@console_page(permission=MAY_CHANGE)
@require_POST
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Nothing goes out with it until somebody resumes it."""
    credential = get_object_or_404(Credential, pk=pk, retired_at=None)
    holds.pause(credential, because=f"Paused by {request.user}.", now=database_now())
    stops.forget()
    messages.success(request, f"“{credential.name}” is paused: what would go out with it waits.")
    return HttpResponseRedirect(reverse("console:delivery_credential_change", args=[pk]))


@console_page(permission="delivery.view_credential")
def figures(request: HttpRequest, pk: int) -> HttpResponse:
    """Whom it serves and what it sent, alone: its page fetches it, since counting takes a while."""
    credential = get_object_or_404(Credential, pk=pk)
    found = credential_state.figures(credential, now=database_now())
    why = reason_words(found.last.reason) if found.last and found.last.reason else ""
    return render(request, "console/credential_figures.html", {"figures": found, "why": why})


class SinceForm(forms.Form):
    """From when on devices are brought back."""

    since = forms.DateTimeField(input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


@console_page(permission=MAY_CHANGE)
@require_http_methods(["GET", "POST"])
def devices(request: HttpRequest, pk: int) -> HttpResponse:
    """Which of this credential's devices were set aside since a moment; POST brings them back."""
    credential = get_object_or_404(Credential, pk=pk)
    now = database_now()
    form = SinceForm(request.POST if request.method == "POST" else request.GET or None)
    losses_of = Loss.objects.filter(credential=credential, count__gt=0).order_by("since")
    first = losses_of.values_list("since", flat=True).first()
    since = (first or now - dt.timedelta(days=1)).replace(second=0, microsecond=0)
    if form.is_bound and form.is_valid():
        since = form.cleaned_data["since"]
    found = set_aside(since=since, credential=credential)
    if request.method == "POST" and form.is_valid():
        done = restore(found, since=since, now=now)
        Loss.objects.filter(credential=credential).update(count=0)
        messages.success(request, _said(done) or "No device had to be brought back.")
        return HttpResponseRedirect(reverse("console:delivery_credential_change", args=[pk]))
    return render_page(
        request,
        "console/credential_devices.html",
        title="Bring devices back",
        crumbs=_crumbs(credential),
        credential=credential,
        form=form,
        since=since,
        found=[(one, reason_words(one.reason)) for one in sorted(found, key=lambda one: -one.count)],
        count=sum(one.count for one in found),
        days=QUARANTINE_DAYS,
    )


def _lost(hold: Hold) -> list[SetAside]:
    loss = Loss.objects.filter(credential_id=hold.credential_id, origin=hold.origin).first()
    if loss is None:
        return []
    return set_aside(since=loss.since, credential=hold.credential, origin=hold.origin)


def _still_refused(credential: Credential, held: Sequence[Hold], *, now: dt.datetime) -> str:
    """What its gateway says, where it refuses the credential as it did; else nothing."""
    if not any(stops.wants_key(hold) for hold in held):
        return ""
    trial = try_out(credential, now=now)
    return trial.says if trial.is_taken is False else ""


def _bring_back(dropped: Sequence[Hold], *, now: dt.datetime) -> Restored:
    total = Restored()
    for hold in dropped:
        kinds = _lost(hold)
        if kinds:
            done = restore(kinds, since=min(kind.since for kind in kinds), now=now)
            total = Restored(total.devices + done.devices, total.messages + done.messages)
    return total


def _resume_campaigns(*, now: dt.datetime) -> None:
    """What the guard paused goes on with the credential."""
    paused = Wave.objects.filter(state=Wave.State.PAUSED, state_reason=losses.PAUSED_BECAUSE)
    ids = [int(wave.origin.partition(":")[2]) for wave in paused if wave.origin.startswith("campaign:")]
    for campaign in Campaign.objects.filter(pk__in=ids):
        launch.resume(campaign, now=now)


def _said(done: Restored) -> str:
    if not done.devices:
        return ""
    devices = "1 device is" if done.devices == 1 else f"{done.devices:,} devices are"
    messages = "1 message" if done.messages == 1 else f"{done.messages:,} messages"
    return f"{devices} back, and {messages} will be sent again."


def _crumbs(credential: Credential) -> list[Crumb]:
    return [
        ("Push credentials", reverse("console:delivery_credential_changelist")),
        (credential.name, reverse("console:delivery_credential_change", args=[credential.pk])),
    ]
