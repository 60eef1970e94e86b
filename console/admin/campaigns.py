"""What is said: campaigns and message templates in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import action, display

from campaigns.models import Campaign, MessageTemplate
from campaigns.publish import Unpublishable, publish
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
    actions_submit_line = ("publish",)
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
    fields = ("name", "title", "body", "url", "image", "icon", "badge", "actions", "collapse", "ttl_seconds", "urgency")
    labels = {"url": "Link", "actions": "Buttons", "collapse": "Replaces older ones of key", "ttl_seconds": "Kept for"}

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
        return own_editor("template_new") or super().add_view(request, form_url, extra_context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        editor = own_editor("template_edit", object_id)
        return editor or super().change_view(request, object_id, form_url, extra_context)

    @action(description="Save and publish", permissions=["change"])
    def publish(self, request: HttpRequest, obj: MessageTemplate) -> None:
        """Freeze the draft as the next version; what stands against it is told field by field."""
        try:
            version = publish(obj, by=request.user, now=timezone.now())  # type: ignore[arg-type]
        except Unpublishable as refused:
            for problem in refused.problems:
                messages.error(request, f"Not published. {problem.field.capitalize()}: {problem.message}")
        else:
            messages.success(request, f"Published as version {version.number}.")

    def save_model(self, request: HttpRequest, obj: MessageTemplate, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: MessageTemplate | None = None) -> bool:
        return False
