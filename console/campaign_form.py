"""The form of a campaign: five questions and a name."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from audiences.models import Segment, Topic
from campaigns.models import Campaign, MessageTemplate
from console.length_field import LengthField
from console.moment_input import MOMENT_FORMATS, MomentInput
from delivery.models import SendingRules

MOST_YEARS = 2
EARLIEST = dt.datetime(1970, 1, 2)


class CampaignForm(forms.ModelForm):
    """`scheduled_at` is asked as a wall-clock time with its zone and kept in UTC; empty means at launch."""

    goal_hours = LengthField(kept_in="hours", most=2160, label="Within")
    expires_hours = LengthField(
        kept_in="hours",
        most=672,
        label="Worth sending for",
        help_text="Some people have to wait: until their quiet hours end, a cap frees or a push service answers. "
        "Whoever could not be sent to in this time does not get it at all.",
    )
    start = forms.ChoiceField(
        choices=[("now", "As soon as I launch it"), ("later", "At a time")], widget=forms.RadioSelect, label="Start"
    )
    start_at = forms.DateTimeField(
        required=False,
        label="Date and time",
        widget=MomentInput(),
        input_formats=MOMENT_FORMATS,
        help_text="Minutes around :00, :15, :30 and :45 are left out: everybody sends then, and Google asks large runs to "
        "stay away. What goes to Android would wait until two minutes past.",
    )
    start_zone = forms.CharField(
        required=False, label="Time zone", widget=UnfoldAdminTextInputWidget({"list": "zones", "autocomplete": "off"})
    )

    class Meta:
        model = Campaign
        fields = (
            "name",
            "included",
            "excluded",
            "template",
            "topic",
            "message_class",
            "goal_event",
            "goal_hours",
            "control_percent",
            "control_reason",
            "expires_hours",
            "per_minute",
            "exact_time",
        )
        widgets = {
            "name": UnfoldAdminTextInputWidget({"autofocus": True}),
            "included": forms.CheckboxSelectMultiple,
            "excluded": forms.CheckboxSelectMultiple,
            "template": UnfoldAdminSelectWidget(),
            "topic": UnfoldAdminSelectWidget(),
            "message_class": UnfoldAdminSelectWidget(),
            "goal_event": UnfoldAdminTextInputWidget({"list": "events", "autocomplete": "off"}),
            "control_percent": UnfoldAdminIntegerFieldWidget({"min": 0, "max": 50}),
            "control_reason": UnfoldAdminTextInputWidget(),
            "per_minute": UnfoldAdminIntegerFieldWidget({"min": 1, "placeholder": "no limit"}),
            "exact_time": forms.CheckboxInput,
        }
        labels = {
            "included": "Send to anyone in",
            "excluded": "But leave out anyone in",
            "template": "Template",
            "message_class": "Kind of message",
            "goal_event": "What you hope they will do",
            "control_percent": "Left alone, in percent",
            "control_reason": "Why nobody is left alone",
            "per_minute": "People a minute, at most",
            "exact_time": "The exact minute matters",
        }
        help_texts = {
            "name": "For you and your colleagues; the people who get it never see it.",
            "message_class": "Transactional messages, such as a receipt, skip topics, caps and controls.",
            "goal_event": "An event from your data, such as Order Completed.",
            "exact_time": "It then goes to Android near the quarter hours too, at the busiest minutes.",
            "per_minute": "So that your site keeps up with those who come. Empty: no limit.",
        }
        error_messages = {
            "name": {"required": "Give it a name.", "unique": "There is a campaign of this name already."},
            "template": {"required": "Choose what it says."},
            "control_percent": dict.fromkeys(
                ("min_value", "max_value", "invalid"), "Give a share from 0 to 50 percent."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone = SendingRules.current().default_zone
        self.fields["included"].queryset = Segment.objects.filter(archived_at=None).order_by("name")
        self.fields["excluded"].queryset = Segment.objects.filter(archived_at=None).order_by("name")
        self.fields["template"].queryset = MessageTemplate.objects.filter(archived_at=None).order_by("name")
        self.fields["template"].empty_label = self.fields["topic"].empty_label = "choose one …"
        self.fields["topic"].queryset = Topic.objects.filter(archived_at=None).order_by("position", "name")
        at = self.instance.scheduled_at
        self.initial["start"] = "later" if at else "now"
        self.initial["start_zone"] = self.zone
        if at:
            self.initial["start_at"] = at.astimezone(ZoneInfo(self.zone)).strftime("%Y-%m-%dT%H:%M")

    def clean_start_zone(self) -> str:
        zone = str(self.cleaned_data["start_zone"] or self.zone).strip()
        if zone not in available_timezones():
            raise forms.ValidationError("Write it as in Europe/Berlin or America/New_York.")
        return zone

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if said.get("start") == "later" and "start_at" not in self.errors:
            wall = said.get("start_at")
            if wall is None:
                self.add_error("start_at", "Say when, or let it start as soon as you launch it.")
            elif "start_zone" in said:
                said["scheduled_at"] = self._instant(wall, said["start_zone"])
        return said

    def _instant(self, wall: dt.datetime, zone: str) -> dt.datetime | None:
        if wall.year > timezone.now().year + MOST_YEARS:
            self.add_error("start_at", f"Choose a day in the next {MOST_YEARS} years.")
            return None
        # The first days of the calendar have no instant in some zones: long past is past enough.
        local = max(wall.replace(tzinfo=None), EARLIEST).replace(tzinfo=ZoneInfo(zone))
        instant = local.astimezone(dt.UTC)
        if instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != local.replace(tzinfo=None):
            self.add_error("start_at", "Clocks go forward then: this time does not exist in that zone. Take another.")
            return None
        return instant

    def save(self, commit: bool = True) -> Campaign:
        self.instance.scheduled_at = self.cleaned_data.get("scheduled_at")
        return super().save(commit)
