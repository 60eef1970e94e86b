"""The secret with which a site proves who its visitors are."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from audiences.models import Source
from audiences.sources import identity_secret
from console.admin.site import console_page, render_page


@console_page(permission="audiences.change_source")
@require_http_methods(["GET", "POST"])
def proof(request: HttpRequest, pk: int) -> HttpResponse:
    """GET explains; POST shows the secret."""
    source = get_object_or_404(Source.objects.exclude(kind=Source.Kind.SERVER), pk=pk)
    page = reverse("console:audiences_source_change", args=[pk])
    crumbs = [("Sources and keys", reverse("console:audiences_source_changelist")), (source.name, page)]
    return render_page(
        request,
        "console/source_proof.html",
        title="Proof of identity",
        crumbs=crumbs,
        source=source,
        secret=identity_secret(source) if request.method == "POST" else "",
    )
