"""Webhook endpoints in the console: made, their secret shown once, changed; what they were sent stands below."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from console.admin.site import ConsoleModelAdmin, render_page, site
from console.models import WebhookDelivery, WebhookEndpoint
from console.webhooks import endpoints
from console.webhooks.kinds import KINDS

SHOWN = 10


class EndpointForm(forms.ModelForm):
    kinds = forms.MultipleChoiceField(
        choices=[(kind, f"{kind}: {words}") for kind, words in KINDS.items()],
        label="What it is told",
        help_text="As little as the receiver needs.",
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        error_messages={"required": "Tick at least one."},
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("name", "url", "kinds")
        widgets = {"name": UnfoldAdminTextInputWidget(), "url": UnfoldAdminTextInputWidget()}
        labels = {"url": "Address"}
        help_texts = {
            "name": "Which program receives it, such as “CRM”.",
            "url": "Where batches of events are posted to: https://… at a public address.",
        }

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        self._ask(lambda: endpoints.check_name(name, but=self.instance.pk))
        return str(name)

    def clean_url(self) -> str:
        url = self.cleaned_data["url"]
        self._ask(lambda: endpoints.check_url(url))
        return str(url)

    def _ask(self, check: Callable[[], None]) -> None:
        try:
            check()
        except endpoints.InvalidEndpoint as invalid:
            raise ValidationError(str(invalid)) from None


@admin.register(WebhookEndpoint, site=site)
class WebhookEndpointAdmin(ConsoleModelAdmin):
    address = "settings/webhooks"
    plural = "Webhooks"
    singular = "webhook"
    form = EndpointForm
    fields = ("name", "url", "kinds")
    change_form_outer_before_template = "console/webhook_state.html"
    change_form_outer_after_template = "console/webhook_sent.html"
    empty_title = "No webhook yet"
    empty_text = (
        "A webhook tells a program of yours what happens: what was sent, shown and clicked, who opted out, which device "
        "cannot be reached any more. Name the address that it listens on, and tick what it should know."
    )
    list_display = ("name", "listens_at", "told", "state", "waiting", "last_taken")
    ordering = ("name",)
    sortable_by = ()
    _new_secrets: WeakKeyDictionary[HttpRequest, str] = WeakKeyDictionary()

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEndpoint]:
        pending = Count("deliveries", filter=Q(deliveries__state=WebhookDelivery.State.PENDING))
        return super().get_queryset(request).annotate(waiting_count=pending)

    @display(description="Address")
    def listens_at(self, endpoint: WebhookEndpoint) -> str:
        return endpoint.url

    @display(description="Last taken")
    def last_taken(self, endpoint: WebhookEndpoint) -> dt.datetime | None:
        return endpoint.succeeded_at

    @display(description="Is told")
    def told(self, endpoint: WebhookEndpoint) -> str:
        return endpoints.kinds_in_words(endpoint.kinds)

    @display(description="State", label={"off": "danger", "failing": "warning", "works": "success"})
    def state(self, endpoint: WebhookEndpoint) -> str:
        if endpoint.disabled_at:
            return "off"
        return "failing" if endpoint.failing_since else "works"

    @display(description="Batches waiting")
    def waiting(self, endpoint: WebhookEndpoint) -> int:
        return endpoint.waiting_count

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        sent = WebhookDelivery.objects.filter(endpoint=object_id if object_id.isdecimal() else 0)
        extra = {
            "sent": sent.defer("events").order_by("-created_at", "-pk")[:SHOWN],
            "retried_count": sent.filter(state=WebhookDelivery.State.PENDING, attempts__gt=0).count(),
            "failed_count": sent.filter(state=WebhookDelivery.State.FAILED).count(),
            "may_change": self.has_change_permission(request),
        }
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        said = form.cleaned_data
        if change:
            endpoints.change(obj, said)
            return
        made, self._new_secrets[request] = endpoints.create(
            said["name"], said["url"], said["kinds"], made_by=request.user.get_username(), now=timezone.now()
        )
        obj.pk = made.pk
        obj.refresh_from_db()

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        return show_secret(request, obj, self._new_secrets.pop(request))

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Its batches may be thousands: they are counted, not listed."""
        found = list(objs)
        count = WebhookDelivery.objects.filter(endpoint__in=found).count()
        return [str(one) for one in found], {"webhooks": len(found), "batches": count}, set(), []


def show_secret(request: HttpRequest, endpoint: WebhookEndpoint, secret: str) -> HttpResponse:
    """The answer to the POST itself shows the secret: it is kept nowhere in the clear, not even in the session."""
    page = site._registry[WebhookEndpoint]
    return render_page(
        request,
        "console/webhook_secret.html",
        title=f"Secret of {endpoint.name}",
        crumbs=[(page.plural, page.list_address()), (endpoint.name, page.address_of(endpoint))],
        endpoint=endpoint,
        secret=secret,
    )
