"""What is said: campaigns and message templates in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from campaigns.models import Campaign, MessageTemplate
from console import campaign_pages
from console.admin.site import ConsoleModelAdmin, own_editor, site


@admin.register(Campaign, site=site)
class CampaignAdmin(ConsoleModelAdmin):
    address = "campaigns"
    plural = "Campaigns"
    singular = "campaign"
    empty_title = "No campaign yet"
    empty_text = (
        "A campaign is one message to one audience: who, what, when, and what you hope they do. "
        "You need a segment and a published template first."
    )
    list_display = ("name", "status", "template", "topic", "scheduled_at", "finished_at", "mark")
    list_filter = ("state",)
    list_select_related = ("template", "topic")
    search_fields = ("name",)
    ordering = ("-pk",)
    sortable_by = ("name", "scheduled_at", "finished_at")

    @display(
        description="State",
        ordering="state",
        label={
            "running": "success",
            "scheduled": "info",
            "paused": "warning",
            "stopped": "danger",
            "finished": "primary",
        },
    )
    def status(self, campaign: Campaign) -> str:
        return campaign.state

    @display(description="", label={"simulated": "warning"})
    def mark(self, campaign: Campaign) -> str | None:
        return "simulated" if campaign.simulated else None

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return campaign_pages.new(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return campaign_pages.campaign(request, object_id)

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        # Only what never went out may vanish.
        return super().has_delete_permission(request, obj) and (obj is None or obj.state == Campaign.State.DRAFT)


@admin.register(MessageTemplate, site=site)
class TemplateAdmin(ConsoleModelAdmin):
    """The list; the editor with its previews is a page of its own."""

    address = "templates"
    plural = "Templates"
    singular = "template"
    empty_title = "No template yet"
    empty_text = (
        "A template is what a push says: title, text, link and picture, with fields such as the first name "
        "and what to say where a field is empty."
    )
    list_display = ("name", "title", "published", "updated_at", "state")
    search_fields = ("name", "title")
    ordering = ("-updated_at",)
    sortable_by = ("name", "updated_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[MessageTemplate]:
        return super().get_queryset(request).annotate(latest_number=Max("versions__number"))

    @display(description="Published")
    def published(self, template: MessageTemplate) -> str:
        number = getattr(template, "latest_number", None)
        return f"version {number}" if number else "not yet"

    @display(description="State", label={"archived": "info", "in use": "success"})
    def state(self, template: MessageTemplate) -> str:
        return "archived" if template.archived_at else "in use"

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return own_editor("template_new")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return own_editor("template_edit", object_id)

    def has_delete_permission(self, request: HttpRequest, obj: MessageTemplate | None = None) -> bool:
        return False
