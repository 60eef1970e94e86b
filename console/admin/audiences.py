"""Who is there: profiles, segments and topics in the console."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldBooleanSwitchWidget

from audiences.look_up import called
from audiences.models import Profile, Segment, Topic
from console import profile_pages
from console.admin.forms import TickedMomentsForm
from console.admin.site import ConsoleModelAdmin, own_editor, site


@admin.register(Profile, site=site)
class ProfileAdmin(ConsoleModelAdmin):
    """Looked up by id, name or e-mail; never edited by hand: attributes come from your systems."""

    address = "profiles"
    plural = "Profiles"
    singular = "profile"
    empty_title = "Nobody has been seen yet"
    empty_text = (
        "Profiles appear by themselves when your site, app or server sends its first call. "
        "Make a source under Settings, Sources and keys, and follow the guide beside it."
    )
    list_display = ("person", "external_id", "email", "zone", "last_seen_at", "kind")
    list_display_links = ("person",)
    search_fields = ("external_id",)
    search_help_text = "The beginning of an id, a name or an e-mail address"
    ordering = ("-last_seen_at", "-pk")
    sortable_by = ()
    # Counting a million rows for a page number helps nobody.
    paginator = InfinitePaginator

    def get_queryset(self, request: HttpRequest) -> QuerySet[Profile]:
        return super().get_queryset(request).standing_alone()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Profile], search_term: str
    ) -> tuple[QuerySet[Profile], bool]:
        return queryset.filter(called(search_term)), False

    @display(description="Person")
    def person(self, profile: Profile) -> str:
        return profile.name

    @display(description="E-mail")
    def email(self, profile: Profile) -> str:
        return str(profile.attributes.get("email") or "–")

    @display(description="", label={"simulated": "warning", "anonymous": "info"})
    def kind(self, profile: Profile) -> str | None:
        if profile.simulated:
            return "simulated"
        return None if profile.external_id else "anonymous"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Profile | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Profile | None = None) -> bool:
        return False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return profile_pages.profile(request, object_id)


@admin.register(Segment, site=site)
class SegmentAdmin(ConsoleModelAdmin):
    """The list; rules are made in the builder."""

    address = "segments"
    plural = "Segments"
    singular = "segment"
    empty_title = "No segment yet"
    empty_text = (
        "A segment is a saved rule, such as “added to the cart and did not buy within two days”. "
        "Campaigns choose their audience from segments."
    )
    list_display = ("name", "description", "state", "updated_at")
    search_fields = ("name", "description")
    ordering = ("name",)
    sortable_by = ("name", "updated_at")

    @display(description="State", label={"archived": "info", "in use": "success"})
    def state(self, segment: Segment) -> str:
        return "archived" if segment.archived_at else "in use"

    def has_delete_permission(self, request: HttpRequest, obj: Segment | None = None) -> bool:
        return False

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return own_editor("segment_new")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return own_editor("segment_edit", object_id)


class TopicForm(TickedMomentsForm):
    ticks = {"archived": "archived_at"}
    archived = forms.BooleanField(
        required=False,
        label="Archived",
        help_text="Off the preference page, and not to be chosen for new campaigns. Choices made stay on record.",
        widget=UnfoldBooleanSwitchWidget,
    )


@admin.register(Topic, site=site)
class TopicAdmin(ConsoleModelAdmin):
    form = TopicForm
    labels = {"default_on": "On by default", "position": "Place in the list", "key": "Key"}
    address = "settings/topics"
    plural = "Topics"
    singular = "topic"
    empty_title = "No topic yet"
    empty_text = (
        "A topic is something people can follow or leave, such as “Price drops”. "
        "With topics, somebody who has had enough of one thing does not have to leave everything."
    )
    list_display = ("name", "key", "by_default", "state")
    ordering = ("position", "name")
    sortable_by = ()
    fields = ("name", "key", "description", "default_on", "position", "archived")
    prepopulated_fields = {"key": ("name",)}

    @display(description="Without a choice")
    def by_default(self, topic: Topic) -> str:
        return "on" if topic.default_on else "off"

    @display(description="State", label={"archived": "info", "open": "success"})
    def state(self, topic: Topic) -> str:
        return "archived" if topic.archived_at else "open"

    def get_readonly_fields(self, request: HttpRequest, obj: Topic | None = None) -> tuple[str, ...]:
        # Programs and the ledger speak of a topic by its key.
        return ("key",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Topic | None = None) -> dict[str, Any]:
        return {} if obj else {"key": ("name",)}

    def has_delete_permission(self, request: HttpRequest, obj: Topic | None = None) -> bool:
        return False
