from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models

CONTENT_FIELDS = ("title", "body", "url", "image", "icon", "badge", "collapse", "actions", "data", "options")


class MessageContent(models.Model):
    """What a marketer writes, in Liquid."""

    class Urgency(models.TextChoices):
        VERY_LOW = "very-low", "Very low: on power and Wi-Fi"
        LOW = "low", "Low: on power or Wi-Fi"
        NORMAL = "normal", "Normal"
        HIGH = "high", "High: even on low battery"

    title = models.TextField(
        max_length=500, help_text="One short line. Use {{ profile.first_name | default: 'there' }}."
    )
    body = models.TextField(max_length=4000, blank=True, default="", help_text="One or two sentences.")
    url = models.TextField(max_length=2000, blank=True, default="", help_text="The page that a click opens, https://…")
    image = models.TextField(max_length=2000, blank=True, default="", help_text="A large picture, https://…")
    icon = models.TextField(max_length=2000, blank=True, default="", help_text="A small square picture, https://…")
    badge = models.TextField(
        max_length=2000, blank=True, default="", help_text="A one-colour picture for the status bar."
    )
    actions = models.JSONField(default=list, blank=True, help_text="Up to two buttons: a list of {title, url}.")
    collapse = models.CharField(
        max_length=32, blank=True, default="", help_text="A newer message with the same key replaces the older one."
    )
    data = models.JSONField(default=dict, blank=True, help_text="Extra values for your app.")
    options = models.JSONField(default=dict, blank=True, help_text="What only apps know: {android: {…}, ios: {…}}.")
    ttl_seconds = models.PositiveIntegerField(
        default=86_400, help_text="How long a push service keeps it for a device that is offline, in seconds."
    )
    urgency = models.CharField(max_length=8, choices=Urgency, default=Urgency.NORMAL)
    must_arrive = models.BooleanField(
        default=False, help_text="Send again when it is not known whether it arrived (the copy replaces the first)."
    )

    class Meta:
        abstract = True

    def content(self) -> dict[str, Any]:
        """The written fields as plain values: the input of campaigns.content."""
        return {name: getattr(self, name) for name in CONTENT_FIELDS} | {
            "ttl_seconds": self.ttl_seconds,
            "urgency": self.urgency,
            "must_arrive": self.must_arrive,
        }


class MessageTemplate(MessageContent):
    """The draft that is being edited. What is sent is its latest published version."""

    name = models.CharField(max_length=120, unique=True, help_text="What you will look for in the list.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name

    def latest(self) -> TemplateVersion | None:
        """The version that a campaign launched now would send, or None before the first publishing."""
        return self.versions.order_by("-number").first()


class TemplateVersion(MessageContent):
    """A published message template: never changed, so that what was sent can always be shown."""

    template = models.ForeignKey(MessageTemplate, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    published_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["template", "number"], name="version_once")]

    def __str__(self) -> str:
        return f"{self.template} v{self.number}"
