"""How it gets there: sending rules, caps and push credentials in the console."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldBooleanSwitchWidget

from audiences.models import Device
from console import tasks
from console.admin.forms import TickedMomentsForm
from console.admin.site import ConsoleModelAdmin, own_editor, site
from console.credential_forms import checked_subject
from console.credential_state import credential_state
from console.length_field import LengthField
from delivery.models import Cap, Credential, SendingRules


class SendingRulesForm(forms.ModelForm):
    cool_down_minutes = LengthField(
        kept_in="minutes",
        units=("minute", "hour", "day"),
        least=0,
        most=30 * 24 * 60,
        label="Between two messages",
        help_text="The least time that lies between two messages to one person. 0 means none.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("quiet_from", "quiet_until"):
            self.fields[name].widget.format = "%H:%M"

    def clean_default_zone(self) -> str:
        zone = str(self.cleaned_data["default_zone"]).strip()
        if zone not in available_timezones():
            raise ValidationError("Write it as in Europe/Berlin or America/New_York; for none in particular, UTC.")
        return zone

    def clean_global_holdout_percent(self) -> Any:
        percent = self.cleaned_data["global_holdout_percent"]
        if not 0 <= percent <= 50:
            raise ValidationError("Give a share from 0 to 50 percent.")
        return percent


@admin.register(SendingRules, site=site)
class SendingRulesAdmin(ConsoleModelAdmin):
    """One row, so its list is its form."""

    address = "settings/rules"
    plural = "Sending rules"
    singular = "sending rules"
    form = SendingRulesForm
    labels = {
        "site_name": "Name of your site",
        "default_zone": "Time zone",
        "quiet_from": "Quiet from",
        "quiet_until": "Quiet until",
        "quiet_binds_transactional": "Transactional messages wait too",
        "global_holdout_percent": "Never told anything, in percent",
    }
    fieldsets = (
        ("Your site", {"fields": ("site_name", "default_zone")}),
        (
            "When not to disturb",
            {
                "fields": (("quiet_from", "quiet_until"), "quiet_binds_transactional", "cool_down_minutes"),
                "description": "Messages that fall into quiet hours wait until they end, by each person's own clock.",
            },
        ),
        ("Measuring the whole", {"fields": ("global_holdout_percent",)}),
    )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("console:delivery_sendingrules_change", args=[1]))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> SendingRules | None:
        """The rules, or the defaults as long as nobody has saved any."""
        return SendingRules.current() if object_id == "1" else None

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        crumbs = [(self.plural, "")]
        return super().change_view(request, object_id, form_url, {"crumbs": crumbs, **(extra_context or {})})

    def response_change(self, request: HttpRequest, obj: SendingRules) -> HttpResponse:
        self.message_user(request, "Saved. The next message obeys it.")
        return HttpResponseRedirect(self.address_of(obj))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: SendingRules | None = None) -> bool:
        return False


class CapForm(forms.ModelForm):
    hours = LengthField(
        kept_in="hours",
        most=24 * 366,
        label="In any",
        help_text="Counted back from the moment of sending, not by calendar days.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["topic"].empty_label = "all topics"
        kinds = self.fields["message_class"]
        kinds.choices = [("", "all kinds"), *((key, words) for key, words in kinds.choices if key)]


@admin.register(Cap, site=site)
class CapAdmin(ConsoleModelAdmin):
    labels = {
        "limit": "At most",
        "topic": "Of this topic",
        "message_class": "Of this kind",
        "defers": "Messages beyond it wait",
    }
    form = CapForm
    address = "settings/caps"
    plural = "Caps"
    singular = "cap"
    empty_title = "No cap yet"
    empty_text = (
        "A cap says how many messages one person gets at most, such as 5 in 7 days. "
        "Without one, campaigns that overlap add up."
    )
    list_display = ("rule", "topic", "message_class", "then")
    empty_value_display = "all"
    list_select_related = ("topic",)
    ordering = ("hours", "limit")
    sortable_by = ()
    fields = (("limit", "hours"), ("topic", "message_class"), "defers")

    @display(description="At most")
    def rule(self, cap: Cap) -> str:
        return str(cap)

    @display(description="Beyond it a message")
    def then(self, cap: Cap) -> str:
        return "waits until the cap frees" if cap.defers else "is held back"


class CredentialForm(TickedMomentsForm):
    ticks = {"retired": "retired_at"}
    retired = forms.BooleanField(
        required=False,
        label="Retired",
        help_text="Not used any more. Browsers that subscribed with its key must subscribe again before they can be "
        "reached; an app's devices go to another credential for them, if there is one.",
        widget=UnfoldBooleanSwitchWidget,
    )

    def clean_subject(self) -> str:
        return checked_subject(self.cleaned_data["subject"])


@admin.register(Credential, site=site)
class CredentialAdmin(ConsoleModelAdmin):
    """Made on pages of their own (credential_new.py), since each gateway asks for something else."""

    address = "settings/credentials"
    plural = "Push credentials"
    singular = "push credential"
    empty_title = "No push credential yet"
    empty_text = (
        "Push services take pushes only from who is known to them. Browsers need a key pair that is made here; your Android "
        "and iOS apps need a key from Firebase or Apple."
    )
    form = CredentialForm
    labels = {"subject": "Address for push services", "per_minute": "Pushes a minute, at most"}
    change_form_outer_before_template = "console/credential_state.html"
    list_display = ("name", "gateway", "for_app", "state", "created_at")
    ordering = ("pk",)
    sortable_by = ()

    @display(description="App")
    def for_app(self, credential: Credential) -> str:
        if credential.gateway == Device.Gateway.WEBPUSH:
            return "your site"
        return " · ".join(filter(None, (credential.app or "every app", credential.environment)))

    @display(description="State", label={"in use": "success", "paused": "danger", "retired": "info"})
    def state(self, credential: Credential) -> str:
        if credential.retired_at:
            return "retired"
        return "paused" if any(hold.until is None for hold in credential.holds.all()) else "in use"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        credential = self.get_object(request, object_id)
        extra = credential_state(credential, now=timezone.now()) if credential else {}
        extra["may_change"] = self.has_change_permission(request)
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        return super().get_queryset(request).prefetch_related("holds")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return own_editor("credential_choose")

    def get_fields(self, request: HttpRequest, obj: Credential | None = None) -> tuple[str, ...]:
        own = {
            Device.Gateway.WEBPUSH: ("subject", "web_key"),
            Device.Gateway.FCM: ("for_app", "account"),
            Device.Gateway.APNS: ("for_app", "apple_key"),
        }
        return ("name", *(own[Device.Gateway(obj.gateway)] if obj else ()), "per_minute", "created_at", "retired")

    def get_readonly_fields(self, request: HttpRequest, obj: Credential | None = None) -> tuple[str, ...]:
        return ("for_app", "web_key", "account", "apple_key", "created_at")

    @display(description="Public key")
    def web_key(self, credential: Credential) -> str:
        return credential.public_key

    @display(description="Service account")
    def account(self, credential: Credential) -> str:
        return credential.public_key

    @display(description="Team and key")
    def apple_key(self, credential: Credential) -> str:
        team, _, key = credential.public_key.partition(".")
        return f"team {team}, key {key}"

    def has_delete_permission(self, request: HttpRequest, obj: Credential | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Credential, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "per_minute" in form.changed_data:
            transaction.on_commit(tasks.hint_hurry)
