"""The forms of push credentials, one a gateway. A key is written and never read back: not into a form that was refused,
not into a page, a log or a session."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from audiences.models import Device
from delivery.credential_trial import Trial, try_out
from delivery.credentials import (
    LARGEST_FILE,
    InvalidCredential,
    apns_credential,
    fcm_credential,
    keep,
    keep_secret,
    webpush_credential,
    with_secret,
)
from delivery.models import Credential

_P8_NAME = re.compile(r"AuthKey_([A-Z0-9]{10})\.p8")


class WriteOnly(UnfoldAdminTextareaWidget):
    """A field whose content is never shown again."""

    def format_value(self, value: Any) -> str:
        return ""


class CredentialForm(forms.Form):
    """What all have in common. `save` makes the credential, or says beside which field it cannot be."""

    gateway: ClassVar[str] = ""
    key_field: ClassVar[str] = ""
    """Beside it stands what the gateway says."""

    name = forms.CharField(
        max_length=80, label="Name", help_text="What you will look for in the list.", widget=UnfoldAdminTextInputWidget
    )
    per_minute = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=10_000_000,
        label="Pushes a minute, at most",
        help_text="Empty: as fast as the gateway takes them.",
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"]).strip()
        if Credential.objects.filter(name=name).exists():
            raise ValidationError("Another credential has this name.")
        return name

    def save(self, *, now: dt.datetime) -> tuple[Credential, Trial] | None:
        """The credential and what its gateway says of it. Where the gateway was not reached it is kept, untried."""

        def made() -> Credential:
            credential = self.make(now=now)
            credential.per_minute = self.cleaned_data["per_minute"]
            return credential

        return _kept_if_taken(self, made, keep, now=now)

    def make(self, *, now: dt.datetime) -> Credential:
        """The credential, not kept yet. Raises InvalidCredential."""
        raise NotImplementedError


class WebPushForm(CredentialForm):
    gateway, key_field = Device.Gateway.WEBPUSH, "subject"

    subject = forms.CharField(
        max_length=200,
        label="Address for push services",
        help_text="Who push services may write to about trouble: mailto:you@example.com or https://…",
        widget=UnfoldAdminTextInputWidget,
    )
    field_order = ("name", "subject", "per_minute")

    def clean_subject(self) -> str:
        return checked_subject(self.cleaned_data["subject"])

    def make(self, *, now: dt.datetime) -> Credential:
        return webpush_credential(self.cleaned_data["name"], subject=self.cleaned_data["subject"], now=now)


class KeyForm(forms.Form):
    """A key as a file, or pasted."""

    key_field: ClassVar[str] = ""

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        file = said.get(f"{self.key_field}_file")
        pasted = str(said.get(self.key_field) or "").strip()
        if file and pasted:
            self.add_error(self.key_field, "Give the file or its content, not both.")
        elif file:
            said[self.key_field] = file.read(LARGEST_FILE + 1)
        elif not pasted and self.key_field not in self.errors:
            self.add_error(self.key_field, "Choose the file, or paste what is in it.")
        return said


def _file(label: str, accept: str) -> forms.FileField:
    return forms.FileField(
        required=False, label=label, max_length=200, widget=UnfoldAdminFileFieldWidget({"accept": accept})
    )


def _pasted(what: str) -> forms.CharField:
    help_text = "It is sealed at once, and never shown again."
    widget = WriteOnly({"rows": 4, "autocomplete": "off", "spellcheck": "false"})
    return forms.CharField(required=False, strip=False, label=what, help_text=help_text, widget=widget)


class FcmKeyForm(KeyForm):
    key_field = "service_account"

    service_account_file = _file("The service account's key file (JSON)", ".json,application/json")
    service_account = _pasted("… or paste what is in it")


class ApnsKeyForm(KeyForm):
    key_field = "p8"

    p8_file = _file("The key file (.p8)", ".p8")
    p8 = _pasted("… or paste what is in it")
    key_id = forms.CharField(
        required=False,
        max_length=20,
        label="Key id",
        help_text="Ten letters and digits; the file is called after it: AuthKey_….p8.",
        widget=UnfoldAdminTextInputWidget,
    )

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        file = said.get("p8_file")
        named = _P8_NAME.search(file.name) if file else None
        if not said.get("key_id") and named:
            said["key_id"] = named[1]
        if not said.get("key_id"):
            self.add_error("key_id", "Give the key's id: the file is called after it, AuthKey_….p8.")
        return said


class FcmForm(FcmKeyForm, CredentialForm):
    gateway = Device.Gateway.FCM

    app = forms.CharField(
        required=False,
        max_length=255,
        label="Package name",
        help_text="Such as com.example.shop: it then sends to this app alone. Empty: to every Android app.",
        widget=UnfoldAdminTextInputWidget,
    )
    field_order = ("name", "service_account_file", "service_account", "app", "per_minute")

    def make(self, *, now: dt.datetime) -> Credential:
        said = self.cleaned_data
        return fcm_credential(said["name"], service_account=said["service_account"], app=said["app"], now=now)


class ApnsForm(ApnsKeyForm, CredentialForm):
    gateway = Device.Gateway.APNS

    team_id = forms.CharField(
        max_length=20,
        label="Team id",
        help_text="In the Apple developer account under Membership details.",
        widget=UnfoldAdminTextInputWidget,
    )
    app = forms.CharField(
        max_length=255,
        label="Bundle id",
        help_text="The app that it sends to, such as com.example.shop.",
        widget=UnfoldAdminTextInputWidget,
    )
    environment = forms.ChoiceField(
        choices=[
            (Device.Environment.PRODUCTION, "Production: the App Store, TestFlight"),
            (Device.Environment.SANDBOX, "Sandbox: builds from Xcode"),
        ],
        label="Environment",
        widget=UnfoldAdminSelectWidget,
    )
    field_order = ("name", "p8_file", "p8", "team_id", "key_id", "app", "environment", "per_minute")

    def make(self, *, now: dt.datetime) -> Credential:
        said = self.cleaned_data
        return apns_credential(
            said["name"],
            p8=said["p8"],
            team_id=said["team_id"],
            key_id=said["key_id"],
            app=said["app"],
            environment=said["environment"],
            now=now,
        )


NEW: dict[str, type[CredentialForm]] = {form.gateway: form for form in (WebPushForm, FcmForm, ApnsForm)}
KEYS: dict[str, type[KeyForm]] = {Device.Gateway.FCM: FcmKeyForm, Device.Gateway.APNS: ApnsKeyForm}


def put_key(credential: Credential, form: KeyForm, *, now: dt.datetime) -> Trial | None:
    """Put the form's key in place of the credential's. One that the gateway refuses is not kept: the old one stays."""

    def changed() -> Credential:
        said = form.cleaned_data
        return with_secret(credential, secret=said[form.key_field], key_id=said.get("key_id", ""))

    kept = _kept_if_taken(form, changed, lambda made: keep_secret(credential, made), now=now)
    return kept[1] if kept else None


def _kept_if_taken(
    form: CredentialForm | KeyForm,
    make: Callable[[], Credential],
    keep: Callable[[Credential], object],
    *,
    now: dt.datetime,
) -> tuple[Credential, Trial] | None:
    """Make a credential or its new key, try it with its gateway, and keep it; None where it cannot be or is refused, with
    the reason beside its field. The gateway may be silent for long: no transaction waits for it."""
    try:
        credential = make()
        trial = try_out(credential, now=now)
        if trial.is_taken is False:
            form.add_error(form.key_field, trial.says)
            return None
        keep(credential)
    except InvalidCredential as invalid:
        form.add_error(invalid.field if invalid.field in form.fields else form.key_field, str(invalid))
        return None
    return credential, trial


def checked_subject(text: str) -> str:
    """mailto: or https:, as push services require; some refuse every push without it."""
    text = text.strip()
    if "@" in text and ":" not in text:
        text = f"mailto:{text}"
    if text.startswith("mailto:"):
        try:
            validate_email(text.removeprefix("mailto:"))
        except ValidationError:
            raise ValidationError("Give a whole e-mail address, such as mailto:push@example.com.") from None
        if text.endswith(("@localhost", "@example.com", ".local", ".invalid")):
            raise ValidationError("Push services write to this address about trouble: give one that you read.")
        return text
    if text.startswith("https://") and "." in text:
        return text
    raise ValidationError("Give mailto: and an e-mail address that you read, or an https:// page about you.")
