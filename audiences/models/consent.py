from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Decision(models.TextChoices):
    IN = "in", "opted in"
    OUT = "out", "opted out"


class Topic(models.Model):
    """What a profile may follow or leave."""

    key = models.SlugField(unique=True, help_text="A short name for programs, such as price-drops.")
    name = models.CharField(max_length=80, help_text="What people see on the preference page.")
    description = models.CharField(
        max_length=200, blank=True, default="", help_text="One line that says what they will get, and how often."
    )
    default_on = models.BooleanField(
        default=True, help_text="Whether people who made no choice for this topic get its messages."
    )
    position = models.PositiveSmallIntegerField(default=0)
    archived_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class ConsentEntry(models.Model):
    """The consent ledger: one row a decision, append-only (a trigger refuses UPDATE and DELETE).

    `id` is the sequence. `topic` None speaks of all notifications.
    """

    profile = models.ForeignKey("audiences.Profile", on_delete=models.DO_NOTHING, related_name="consent_entries")
    topic = models.ForeignKey(Topic, null=True, blank=True, on_delete=models.PROTECT)
    decision = models.CharField(max_length=3, choices=Decision)
    source = models.CharField(max_length=40, help_text="Where the choice was made, such as preference page.")
    text = models.TextField(blank=True, default="", help_text="The words the person saw.")
    text_version = models.CharField(max_length=40, blank=True, default="")
    actor = models.CharField(max_length=120, blank=True, default="", help_text="Who recorded it, if not the person.")
    at = models.DateTimeField()
    epoch = models.BigIntegerField(help_text="The standing's epoch that this decision made.")
    recorded_at = models.DateTimeField(db_default=Now(), help_text="When it was written, by the database's clock.")

    class Meta:
        indexes = [models.Index(fields=["recorded_at", "id"], name="consent_recorded")]

    def __str__(self) -> str:
        return f"{self.profile_id} {self.decision} {self.topic_id or 'all'}"


class Choice(models.Model):
    """The latest explicit decision of a profile, for one topic or (topic None) for all notifications."""

    profile = models.ForeignKey("audiences.Profile", on_delete=models.CASCADE, related_name="choices")
    topic = models.ForeignKey(Topic, null=True, blank=True, on_delete=models.PROTECT)
    decision = models.CharField(max_length=3, choices=Decision)
    changed_at = models.DateTimeField()
    entry = models.ForeignKey(ConsentEntry, on_delete=models.DO_NOTHING)
    out_epoch = models.BigIntegerField(
        null=True, help_text="The epoch of the latest opt-out: what was planned before it is never sent."
    )
    out_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["profile", "topic"], name="choice_once", nulls_distinct=False),
        ]

    def __str__(self) -> str:
        return f"{self.profile_id} {self.decision} {self.topic_id or 'all'}"
