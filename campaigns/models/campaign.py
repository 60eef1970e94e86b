from __future__ import annotations

import secrets

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from delivery.models import MessageClass


def new_salt() -> str:
    return secrets.token_hex(8)


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def due(self, now: object) -> CampaignQuerySet:
        """Launched campaigns whose time has come and whose wave was not opened yet."""
        return self.filter(state=Campaign.State.SCHEDULED, scheduled_at__lte=now)


class Campaign(models.Model):
    """One message to an audience, with its control: once, now or at a time."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        SCHEDULED = "scheduled", "scheduled"
        RUNNING = "running", "running"
        PAUSED = "paused", "paused"
        STOPPED = "stopped", "stopped"
        FINISHED = "finished", "finished"

    name = models.CharField(max_length=120, unique=True)
    state = models.CharField(max_length=9, choices=State, default=State.DRAFT)
    included = models.ManyToManyField(
        "audiences.Segment", blank=True, related_name="+", help_text="Who it is for: anyone in one of these segments."
    )
    excluded = models.ManyToManyField(
        "audiences.Segment", blank=True, related_name="+", help_text="Who is left out, even if included above."
    )
    template = models.ForeignKey("campaigns.MessageTemplate", on_delete=models.PROTECT, related_name="campaigns")
    version = models.ForeignKey(
        "campaigns.TemplateVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="campaigns"
    )
    topic = models.ForeignKey(
        "audiences.Topic",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who opted out of this topic does not get it.",
    )
    message_class = models.CharField(max_length=13, choices=MessageClass, default=MessageClass.PROMOTIONAL)
    goal_event = models.TextField(
        blank=True, default="", help_text="What you hope they will do, such as Order Completed."
    )
    goal_hours = models.PositiveIntegerField(
        default=168, validators=[MinValueValidator(1), MaxValueValidator(2160)], help_text="Within how many hours."
    )
    control_percent = models.PositiveSmallIntegerField(
        default=10,
        validators=[MaxValueValidator(50)],
        help_text="The share left alone, so that the report can say what the message caused.",
    )
    control_reason = models.CharField(
        max_length=300, blank=True, default="", help_text="Why there is no control; kept with the campaign."
    )
    salt = models.CharField(max_length=32, default=new_salt, editable=False)
    scheduled_at = models.DateTimeField(null=True, blank=True, help_text="Empty means: as soon as you launch it.")
    expires_hours = models.PositiveIntegerField(
        default=24, validators=[MinValueValidator(1), MaxValueValidator(672)], help_text="Not sent later than this."
    )
    per_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="At most so many people a minute, so that your site keeps up with those who come. Empty: no limit.",
    )
    exact_time = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Google asks large runs to stay away from :00, :15, :30 and :45. Tick this only if minutes matter.",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    launched_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    launched_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    simulated = models.BooleanField(default=False)

    objects = CampaignQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @property
    def origin(self) -> str:
        """How its waves are named in the delivery layer."""
        return f"campaign:{self.pk}"
