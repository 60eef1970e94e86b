"""⌘K: pages, campaigns, segments, templates and profiles by the beginning of a word."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from unfold.dataclasses import SearchResult

from audiences.look_up import profile_named
from audiences.models import Segment
from campaigns.models import Campaign, MessageTemplate
from console.admin.site import console_page
from console.theme import navigation

OF_EACH = 6

KINDS = (
    (Campaign, "campaigns.view_campaign", "campaign", "Campaign"),
    (Segment, "audiences.view_segment", "group_work", "Segment"),
    (MessageTemplate, "campaigns.view_messagetemplate", "chat_bubble", "Template"),
)


@console_page
def find(request: HttpRequest) -> HttpResponse:
    """The palette's list. At most four queries; nothing is kept."""
    words = request.GET.get("s", "").strip()
    if not words:
        return HttpResponse()
    found = Paginator([*_pages(request, words), *_rows(request, words)], 100)
    context = {"page_obj": found, "results": found.page(1), "page_counter": 0, "execution_time": 0}
    answer = render(request, "unfold/helpers/command_results.html", context)
    answer["HX-Trigger"] = "search"
    return answer


def _pages(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    for group in navigation(request):
        for item in group["items"]:
            if words.lower() in item["title"].lower():
                yield SearchResult(title=item["title"], description="Page", link=item["link"], icon=item["icon"])


def _rows(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    for model, permission, icon, kind in KINDS:
        if request.user.has_perm(permission):
            for row in model.objects.filter(name__icontains=words).order_by("name")[:OF_EACH]:
                link = reverse(f"console:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.pk])
                yield SearchResult(title=row.name, description=kind, link=link, icon=icon)
    if request.user.has_perm("audiences.view_profile"):
        # By id only, which an index answers; names are what the list of profiles is for.
        if profile := profile_named(words):
            link = reverse("console:audiences_profile_change", args=[profile.pk])
            yield SearchResult(title=profile.name, description="Profile", link=link, icon="person")
