"""Three views: the signed link, the page behind it, and the one-click opt-out that mail and push clients use."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import wraps

from csp.decorators import csp
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from audiences import consent
from audiences.database_clock import database_now
from audiences.models import Choice, Decision, Profile, Topic
from audiences.preference_links import Link, read
from console.preferences.forms import PreferenceForm
from console.tracking import rates
from console.tracking.refusals import Refused
from delivery.models import SendingRules

SECURE = settings.HEED_BASE_URL.startswith("https://")
COOKIE = "__Host-heed-preferences" if SECURE else "heed-preferences"
STRICT = {
    "default-src": ["'none'"],
    "style-src": ["'self'"],
    "img-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}


def private(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Nothing of these pages is cached, indexed, framed or told to other sites."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "no-store"
        response["X-Robots-Tag"] = "noindex"
        return response

    return csp(STRICT)(wrapped)


@private
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def enter(request: HttpRequest, token: str) -> HttpResponse:
    """GET moves the token from the address into a cookie. POST is RFC 8058's one-click opt-out."""
    if request.method == "POST":
        return _opt_out(request, token)
    try:
        _profile_of(token, now=database_now())
    except Http404:
        return _no_link(request)
    response = HttpResponseRedirect(reverse("preferences:page"), status=303)
    response.set_cookie(COOKIE, token, max_age=3600, httponly=True, samesite="Lax", secure=SECURE, path="/")
    return response


@private
@csrf_exempt
@require_http_methods(["POST"])
def opt_out_in_one_click(request: HttpRequest, token: str) -> HttpResponse:
    """The signed token alone is the permission: no cookie, no login, no redirect; twice is as good as once."""
    return _opt_out(request, token)


@private
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    """The page: topics, and all or nothing. Only POST changes anything."""
    token = request.COOKIES.get(COOKIE, "")
    now = database_now()
    link = read(token, now=now) if token else None
    if link is None:
        return _no_link(request)
    profile = _survivor(link)
    form = PreferenceForm(
        request.POST if request.method == "POST" else None,
        topics=list(Topic.objects.filter(archived_at=None).order_by("position", "name")),
        choices={choice.topic_id: choice.decision for choice in Choice.objects.filter(profile=profile)},
        may_edit=link.may_edit,
    )
    if request.method == "POST" and form.is_valid():
        choices = form.new_choices(profile.pk)
        if refused := _too_many(profile, choices):
            return _wait(request, refused, may_leave=not form.is_out)
        consent.record(choices, now=now)
        return HttpResponseRedirect(f"{reverse('preferences:page')}?saved", status=303)
    return render(
        request,
        "preferences/page.html",
        {"form": form, "saved": "saved" in request.GET, "site": SendingRules.current().site_name},
    )


def _no_link(request: HttpRequest) -> HttpResponse:
    return render(request, "preferences/no_link.html", {"site": SendingRules.current().site_name}, status=404)


def _too_many(profile: Profile, choices: Sequence[consent.NewChoice]) -> Refused | None:
    """Ten POSTs a minute for each person, whichever of their links and wherever from. An opt-out that is new does not
    count and is never refused: who would write without end must come back in between, and that counts."""
    if choices and all(choice.decision == Decision.OUT for choice in choices):
        return None
    try:
        rates.spend("preferences", str(profile.pk))
    except Refused as refused:
        return refused
    return None


def _wait(request: HttpRequest, refused: Refused, *, may_leave: bool) -> HttpResponse:
    said = {"site": SendingRules.current().site_name, "seconds": refused.retry_after, "may_leave": may_leave}
    response = render(request, "preferences/wait.html", said, status=refused.status)
    response["Retry-After"] = str(refused.retry_after)
    return response


def _opt_out(request: HttpRequest, token: str) -> HttpResponse:
    now = database_now()
    profile = _profile_of(token, now=now)
    out = consent.NewChoice(profile_id=profile.pk, topic_id=None, decision=Decision.OUT, source="one-click opt-out")
    is_out = Choice.objects.filter(profile=profile, topic=None, decision=Decision.OUT).exists()
    choices = [] if is_out else [out]
    if refused := _too_many(profile, choices):
        return _wait(request, refused, may_leave=False)
    consent.record(choices, now=now)
    return HttpResponse("You get no more notifications.", content_type="text/plain")


def _profile_of(token: str, *, now: dt.datetime) -> Profile:
    link = read(token, now=now)
    if link is None:
        raise Http404
    return _survivor(link)


def _survivor(link: Link) -> Profile:
    profile = Profile.objects.filter(pk=link.profile_id, erased_at=None).first()
    while profile is not None and profile.merged_into_id:
        profile = Profile.objects.filter(pk=profile.merged_into_id, erased_at=None).first()
    if profile is None:
        raise Http404
    return profile
