"""A test push with one credential, to the devices of one profile: through the ledger and its gates, as every message."""

from __future__ import annotations

import datetime as dt

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods
from unfold.widgets import UnfoldAdminTextInputWidget

from audiences.database_clock import database_now
from audiences.look_up import profile_named
from audiences.models import Device, Profile
from console.admin.site import console_page, render_page
from console.credential_new import LIST, PAGE
from console.verdict_words import reason_words, state_words
from delivery import brought, tasks
from delivery.models import Credential, Message, MessageClass, Push, SendingRules
from delivery.routes import Routes
from delivery.submission import Stopped, Submission, submit
from delivery.waiting import ONLY

MAY_SEND = "delivery.change_credential"
GOOD_FOR = dt.timedelta(minutes=10)
OPEN = (Message.State.QUEUED, Message.State.CLAIMED, Message.State.PUSHING)


class ToForm(forms.Form):
    """To whom. The profile must have a device that this credential serves."""

    to = forms.CharField(
        label="Profile",
        help_text="The id of somebody who knows of it, such as yourself: every device of theirs that this credential "
        "serves gets “This is a test”.",
        widget=UnfoldAdminTextInputWidget,
    )

    def __init__(self, credential: Credential, *args: object, **values: object) -> None:
        super().__init__(*args, **values)  # type: ignore[arg-type]
        self.credential = credential

    def clean_to(self) -> Profile:
        profile = profile_named(self.cleaned_data["to"])
        if profile is None:
            raise forms.ValidationError("There is no profile with this id.")
        routes = Routes.current()
        live = Device.objects.live().filter(profile=profile, gateway=self.credential.gateway)
        kinds = live.values_list("gateway", "sender_key", "app", "environment")
        if self.credential.pk not in {routes.choose(*kind) for kind in kinds}:
            raise forms.ValidationError("This profile has no device that can be reached with this credential.")
        return profile


@console_page(permission=MAY_SEND)
@require_http_methods(["GET", "POST"])
def send(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks to whom; POST puts the test into the ledger."""
    credential = get_object_or_404(Credential, pk=pk, retired_at=None)
    form = ToForm(credential, request.POST or None)
    if request.method == "POST" and form.is_valid():
        now = database_now()
        profile = form.cleaned_data["to"]
        site = SendingRules.current().site_name
        content = {
            "title": "This is a test",
            "body": f"{site} reaches you with “{credential.name}”.",
            "ttl_seconds": 600,
        }
        submission = Submission(
            profile_ids=[profile.pk],
            content_source=brought.SOURCE,
            data={"content": content, ONLY: credential.pk},
            message_class=MessageClass.TRANSACTIONAL,
            due_at=now,
            expires_at=now + GOOD_FOR,
            asked_by=f"test of {credential.name} by {request.user}",
        )
        try:
            (made,) = submit([submission], now=now)
        except Stopped as stopped:
            messages.error(request, str(stopped))
            return HttpResponseRedirect(reverse(PAGE, args=[pk]))
        transaction.on_commit(tasks.hint, robust=True)
        return HttpResponseRedirect(reverse("console:credential_tested", args=[pk, made.messages[profile.pk]]))
    return _page(request, credential, form=form)


@console_page(permission=MAY_SEND)
@require_GET
def sent(request: HttpRequest, pk: int, message: int) -> HttpResponse:
    """What became of a test; asks again by itself until that is known."""
    credential = get_object_or_404(Credential, pk=pk)
    today = timezone.now().date()
    found = get_object_or_404(
        Message.objects.select_related("profile"), pk=message, wave_on__in=[today, today - dt.timedelta(days=1)]
    )
    pushes = Push.objects.filter(message=found, wave_on=found.wave_on).select_related("device").order_by("device_id")
    context = {
        "message": found,
        "state": state_words(found.state),
        "reason": reason_words(found.reason) if found.reason else "",
        "pushes": [
            (push, state_words(push.state), reason_words(push.reason) if push.reason else "") for push in pushes
        ],
        "is_open": found.state in OPEN,
    }
    if request.headers.get("HX-Request"):
        return render(request, "console/credential_test_sent.html", {"credential": credential, **context})
    return _page(request, credential, form=ToForm(credential), **context)


def _page(request: HttpRequest, credential: Credential, **context: object) -> HttpResponse:
    crumbs = [("Push credentials", reverse(LIST)), (credential.name, reverse(PAGE, args=[credential.pk]))]
    return render_page(
        request, "console/credential_test.html", title="Send a test", crumbs=crumbs, credential=credential, **context
    )
