"""Keys of the REST API in the console: made with their scopes, shown once, revoked."""

from __future__ import annotations

import datetime as dt
from typing import Any
from weakref import WeakKeyDictionary

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from console.admin.forms import TickedMomentsForm
from console.admin.site import ConsoleModelAdmin, render_page, site
from console.api.keys import create_key, forget_keys
from console.models import ApiKey

Scope = ApiKey.Scope
SCOPES = (
    (Scope.READ, "Read: profiles, events, devices, topics and choices"),
    (Scope.WRITE, "Write: profiles, events, and choices with their proof"),
    (Scope.SEND, "Send: messages to people, within caps and quiet hours"),
    (Scope.SEND_TRANSACTIONAL, "Send transactional messages, which caps and quiet hours do not hold back"),
    (Scope.ADMIN, "Everything, now and later"),
)
LIVES = ((365, "in a year"), (90, "in 90 days"), (0, "never"))


class NewKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        choices=SCOPES,
        label="What it may do",
        help_text="As little as the service needs.",
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        error_messages={"required": "Tick at least one: a key that may do nothing is of no use."},
    )
    lives_days = forms.TypedChoiceField(
        choices=LIVES, coerce=int, initial=365, label="Ends", widget=UnfoldAdminSelectWidget
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes")
        widgets = {"name": UnfoldAdminTextInputWidget()}
        help_texts = {"name": "Which service uses it, such as “Billing”."}


class KeyForm(TickedMomentsForm):
    ticks = {"revoked": "revoked_at"}
    revoked = forms.BooleanField(
        required=False,
        label="Revoked",
        help_text="Nothing that comes with this key is answered any more, from half a minute after you save.",
        widget=UnfoldBooleanSwitchWidget,
    )


@admin.register(ApiKey, site=site)
class ApiKeyAdmin(ConsoleModelAdmin):
    address = "settings/api-keys"
    plural = "API keys"
    singular = "API key"
    empty_title = "No API key yet"
    empty_text = (
        "With an API key your own services read and write profiles, events and choices. "
        "Give each service a key of its own, so that you can take one away without stopping the others."
    )
    list_display = ("name", "hint", "may", "last_used_at", "expires_at", "state")
    ordering = ("revoked_at", "name")
    sortable_by = ()
    labels = {"name": "Name", "hint": "Key", "expires_at": "Ends", "last_used_at": "Last used"}
    _new_keys: WeakKeyDictionary[HttpRequest, str] = WeakKeyDictionary()

    @display(description="May")
    def may(self, key: ApiKey) -> str:
        return "everything" if Scope.ADMIN in key.scopes else ", ".join(key.scopes)

    @display(description="State", label={"revoked": "danger", "ended": "warning", "works": "success"})
    def state(self, key: ApiKey) -> str:
        if key.revoked_at:
            return "revoked"
        return "ended" if key.expires_at and key.expires_at <= timezone.now() else "works"

    def get_form(self, request: HttpRequest, obj: ApiKey | None = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = KeyForm if obj else NewKeyForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("name", "scopes", "lives_days")
        return ("name", "hint", "may", "created_at", "last_used_at", "expires_at", "revoked")

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        return ("hint", "may", "created_at", "last_used_at", "expires_at") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        # What a key once did stays explainable; revoke it instead.
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            forget_keys()
            return
        days = form.cleaned_data["lives_days"]
        ends = timezone.now() + dt.timedelta(days=days) if days else None
        made, self._new_keys[request] = create_key(obj.name, form.cleaned_data["scopes"], expires_at=ends)
        obj.pk = made.pk
        obj.refresh_from_db()

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """The answer to the POST itself shows the key: it is kept nowhere, not even in the session."""
        return render_page(
            request,
            "console/api_key.html",
            title=f"Key of {obj.name}",
            crumbs=[(self.plural, self.list_address()), (obj.name, self.address_of(obj))],
            key=self._new_keys.pop(request),
            base_url=settings.HEED_BASE_URL,
            api_key=obj,
        )
