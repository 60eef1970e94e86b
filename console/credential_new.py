"""Making push credentials: which gateway, then its form; and putting another key in place of a lost one."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from audiences.database_clock import database_now
from audiences.models import Device
from console import stops
from console.admin.site import Crumb, console_page, render_page
from console.credential_forms import KEYS, NEW, put_key
from delivery.credential_trial import Trial
from delivery.models import Credential

LIST = "console:delivery_credential_changelist"
PAGE = "console:delivery_credential_change"
RESUME = "console:credential_resume"


@dataclass(frozen=True, slots=True)
class Kind:
    """A gateway as somebody chooses it: what it reaches, what is needed, and where to find that."""

    gateway: str
    title: str
    reaches: str
    needs: str
    steps: tuple[str, ...] = ()


KINDS = (
    Kind(
        Device.Gateway.WEBPUSH,
        "Web push",
        "Browsers that said yes on your site: Chrome, Firefox, Edge, Safari.",
        "Nothing: the key pair is made here.",
    ),
    Kind(
        Device.Gateway.FCM,
        "Android (FCM)",
        "Your Android app, through Firebase Cloud Messaging.",
        "The service account's key file of your Firebase project.",
        (
            "Open the Firebase console and your project.",
            "Project settings, then Service accounts.",
            "Generate new private key: a JSON file is downloaded. Give it here.",
        ),
    ),
    Kind(
        Device.Gateway.APNS,
        "iOS (APNs)",
        "Your iPhone and iPad app, through Apple's push service.",
        "A signing key (.p8), your team id and the app's bundle id.",
        (
            "Open your Apple developer account: Certificates, Identifiers & Profiles, then Keys.",
            "Make a key with the Apple Push Notifications service, and download AuthKey_….p8. It can be downloaded once.",
            "The team id stands under Membership details.",
        ),
    ),
)


@console_page(permission="delivery.add_credential")
def choose(request: HttpRequest) -> HttpResponse:
    """Which gateway it is for."""
    return render_page(request, "console/credential_choose.html", title="New", crumbs=[_above()], kinds=KINDS)


@sensitive_post_parameters()
@console_page(permission="delivery.add_credential")
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest, gateway: str) -> HttpResponse:
    """The form of one gateway, with the app that the query names; POST checks the key with it, and keeps it sealed."""
    kind = next((kind for kind in KINDS if kind.gateway == gateway), None)
    if kind is None:
        raise Http404
    asked = {name: text for name in ("app", "environment") if (text := request.GET.get(name, ""))}
    form = NEW[gateway](request.POST or None, request.FILES or None, initial=asked)
    if request.method == "POST" and form.is_valid() and (made := form.save(now=database_now())):
        credential, trial = made
        _tell(request, f"“{credential.name}” is ready.", trial)
        return HttpResponseRedirect(reverse(PAGE, args=[credential.pk]))
    crumbs = [_above(), ("New", reverse("console:credential_choose"))]
    return render_page(request, "console/credential_form.html", title=kind.title, crumbs=crumbs, form=form, kind=kind)


@sensitive_post_parameters()
@console_page(permission="delivery.change_credential")
@require_http_methods(["GET", "POST"])
def replace_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Another key for the same account or team; the old one is forgotten once the gateway takes the new one."""
    credential = get_object_or_404(Credential, pk=pk, gateway__in=KEYS)
    page = reverse(PAGE, args=[pk])
    form = KEYS[credential.gateway](request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        trial = put_key(credential, form, now=database_now())
        if trial is not None:
            stops.forget()
            _tell(request, "The key is replaced.", trial)
            held = any(stops.wants_key(hold) for hold in credential.holds.select_related("credential"))
            return HttpResponseRedirect(f"{reverse(RESUME, args=[pk])}?new_key=1" if held else page)
    kind = next(kind for kind in KINDS if kind.gateway == credential.gateway)
    crumbs = [_above(), (credential.name, page)]
    return render_page(
        request,
        "console/credential_form.html",
        title="Replace the key",
        crumbs=crumbs,
        form=form,
        kind=kind,
        credential=credential,
    )


def _tell(request: HttpRequest, done: str, trial: Trial) -> None:
    if trial.is_taken is None and trial.says.startswith("It could not"):
        messages.warning(request, f"{done} {trial.says} The first push will tell.")
    else:
        messages.success(request, f"{done} {trial.says if trial.is_taken else ''}".strip())


def _above() -> Crumb:
    return ("Push credentials", reverse(LIST))
