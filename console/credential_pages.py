"""Going on after a push service refused us."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from console.admin.site import console_page, render_page
from delivery import holds
from delivery.models import Credential


@console_page(permission="delivery.change_credential")
@require_http_methods(["GET", "POST"])
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks and shows what is held; POST lifts the holds and the pause."""
    credential = get_object_or_404(Credential, pk=pk)
    page = reverse("console:delivery_credential_change", args=[pk])
    held = list(credential.holds.order_by("origin"))
    if request.method == "POST":
        lifted = holds.resume(held)
        says = (
            f"Sending goes on; {lifted} push service{'' if lifted == 1 else 's'} freed."
            if lifted
            else "Sending goes on."
        )
        messages.success(request, says)
        return HttpResponseRedirect(page)
    crumbs = [("Push credentials", reverse("console:delivery_credential_changelist")), (credential.name, page)]
    return render_page(
        request, "console/credential_resume.html", title="Resume", crumbs=crumbs, credential=credential, held=held
    )
