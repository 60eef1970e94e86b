"""What a webhook was sent, batch by batch, and the buttons on its page."""

from __future__ import annotations

import json
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_http_methods, require_POST

from console.admin.site import Crumb, console_page, render_page
from console.admin.webhooks import show_secret
from console.models import WebhookDelivery, WebhookEndpoint
from console.webhooks import endpoints

PAGE = "console:console_webhookendpoint_change"
VIEW, CHANGE = "console.view_webhookendpoint", "console.change_webhookendpoint"
A_PAGE = 50


@console_page(permission=CHANGE)
@require_POST
def deed(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """test, secret, off, on, replay."""
    endpoint = get_object_or_404(WebhookEndpoint, pk=pk)
    now = timezone.now()
    if name == "secret":
        return show_secret(request, endpoint, endpoints.rotate(endpoint, now=now))
    if name == "off" and endpoint.disabled_at is None:
        endpoints.disable(endpoint, reason="", now=now)
        messages.success(request, f"{endpoint.name} is told nothing more.")
    elif name == "on" and endpoint.disabled_at:
        endpoints.enable(endpoint)
        messages.success(request, f"{endpoint.name} is told what happens from now on.")
    elif name == "test" and endpoint.disabled_at is None:
        made = endpoints.send_test(endpoint, now=now)
        return HttpResponseRedirect(reverse("console:webhook_delivery", args=[pk, made.pk]))
    elif name == "replay" and endpoint.disabled_at is None:
        failed = WebhookDelivery.objects.filter(endpoint=endpoint, state=WebhookDelivery.State.FAILED)
        count = endpoints.replay(failed, now=now)
        messages.success(request, f"{count} {'batch goes' if count == 1 else 'batches go'} out again.")
    elif name not in ("off", "on", "test", "replay"):
        raise Http404
    return HttpResponseRedirect(reverse(PAGE, args=[pk]))


@console_page(permission=VIEW)
def deliveries(request: HttpRequest, pk: int) -> HttpResponse:
    """The batches of one endpoint, newest first, page by page."""
    endpoint = get_object_or_404(WebhookEndpoint, pk=pk)
    found = WebhookDelivery.objects.filter(endpoint=endpoint).defer("events", "log").order_by("-created_at")
    state = request.GET.get("state", "")
    if state in WebhookDelivery.State.values:
        found = found.filter(state=state)
    try:
        before = parse_datetime(request.GET.get("before", ""))
    except ValueError:
        before = None
    if before and before.tzinfo:
        found = found.filter(created_at__lt=before)
    rows = list(found[: A_PAGE + 1])
    more = len(rows) > A_PAGE
    rows = rows[:A_PAGE]
    following = {"state": state, "before": rows[-1].created_at.isoformat()} if more else {}
    return render_page(
        request,
        "console/webhook_deliveries.html",
        title="What it was sent",
        crumbs=_crumbs(endpoint),
        endpoint=endpoint,
        rows=rows,
        states=WebhookDelivery.State.choices,
        asked=state,
        next_page="?" + urlencode(following) if more else "",
    )


@console_page(permission=VIEW)
@require_http_methods(["GET", "POST"])
def delivery(request: HttpRequest, pk: int, delivery_id: UUID) -> HttpResponse:
    """GET shows one batch with its attempts and its body; POST sends it again."""
    found = get_object_or_404(WebhookDelivery.objects.select_related("endpoint"), pk=delivery_id, endpoint=pk)
    if request.method == "POST":
        if not request.user.has_perm(CHANGE):
            raise PermissionDenied
        if found.endpoint.disabled_at is None:
            endpoints.replay(WebhookDelivery.objects.filter(pk=found.pk), now=timezone.now())
        return HttpResponseRedirect(request.path)
    return render_page(
        request,
        "console/webhook_delivery.html",
        title="One batch",
        crumbs=[*_crumbs(found.endpoint), ("What it was sent", reverse("console:webhook_deliveries", args=[pk]))],
        endpoint=found.endpoint,
        delivery=found,
        attempts=[(parse_datetime(one["at"]), one["status"], one["words"]) for one in reversed(found.log)],
        body=json.dumps(json.loads(found.events), indent=2, ensure_ascii=False),
        may_change=request.user.has_perm(CHANGE),
    )


def _crumbs(endpoint: WebhookEndpoint) -> list[Crumb]:
    return [
        ("Webhooks", reverse("console:console_webhookendpoint_changelist")),
        (endpoint.name, reverse(PAGE, args=[endpoint.pk])),
    ]
