"""What sends us data: sources and their keys in the console."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from audiences.models import Source
from audiences.sources import create_source
from console.admin.forms import TickedMomentsForm
from console.admin.site import ConsoleModelAdmin, render_page, site


class NewSourceForm(forms.ModelForm):
    class Meta:
        model = Source
        fields = ("name", "kind")
        widgets = {"name": UnfoldAdminTextInputWidget(), "kind": UnfoldAdminSelectWidget()}
        help_texts = {
            "name": "What sends the calls, such as “Web shop” or “Order system”.",
            "kind": "A server's key is secret and is shown once. A website's or app's key is public by nature: "
            "it may report what its own visitor does, and nothing about anyone else.",
        }


class SourceForm(TickedMomentsForm):
    ticks = {"revoked": "revoked_at"}
    revoked = forms.BooleanField(
        required=False,
        label="Revoked",
        help_text="Nothing that comes with this key is taken any more.",
        widget=UnfoldBooleanSwitchWidget,
    )


@admin.register(Source, site=site)
class SourceAdmin(ConsoleModelAdmin):
    address = "settings/sources"
    plural = "Sources and keys"
    singular = "source"
    change_form_before_template = "console/source_links.html"
    labels = {"requires_proof": "Ask for proof of identity", "name": "Name", "kind": "Kind"}
    empty_title = "Nothing sends data yet"
    empty_text = "Make a source for your website, app or server. It gets a key; with it, profiles and events come in."
    list_display = ("name", "kind", "key", "last_used_at", "unproven_calls", "state")
    ordering = ("name",)
    sortable_by = ()
    _new_keys: WeakKeyDictionary[HttpRequest, str] = WeakKeyDictionary()

    @display(description="Key")
    def key(self, source: Source) -> str:
        return source.write_key or source.key_hint

    @display(description="State", label={"revoked": "danger", "open": "success"})
    def state(self, source: Source) -> str:
        return "revoked" if source.revoked_at else "open"

    def get_form(self, request: HttpRequest, obj: Source | None = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = SourceForm if obj else NewSourceForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Source | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("name", "kind")
        return ("name", "kind", "key", "requires_proof", "unproven_calls", "last_used_at", "revoked")

    def get_readonly_fields(self, request: HttpRequest, obj: Source | None = None) -> tuple[str, ...]:
        return ("kind", "key", "unproven_calls", "last_used_at") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Source | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Source, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        made, self._new_keys[request] = create_source(obj.name, obj.kind)
        obj.pk = made.pk
        obj.refresh_from_db()

    def response_add(self, request: HttpRequest, obj: Source, post_url_continue: str | None = None) -> HttpResponse:
        """The answer to the POST itself shows the key: it is kept nowhere, not even in the session."""
        return render_page(
            request,
            "console/source_key.html",
            title=f"Key of {obj.name}",
            crumbs=[(self.plural, self.list_address()), (obj.name, self.address_of(obj))],
            source=obj,
            key=self._new_keys.pop(request),
            base_url=settings.HEED_BASE_URL,
        )
