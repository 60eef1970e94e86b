from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError
from django.db import models

from audiences import statements
from audiences.durations import in_words
from delivery.models.wave import MessageClass


class SendingRules(models.Model):
    """The site's own restraint: one row. Quiet hours and cool-down are read at every intent."""

    site_name = models.CharField(max_length=80, default="Heed", help_text="People see this name on their pages.")
    default_zone = models.CharField(
        max_length=64, default="UTC", help_text="Used for people whose time zone is not known, such as Europe/Berlin."
    )
    quiet_from = models.TimeField(
        null=True, blank=True, default=dt.time(22, 0), help_text="Nobody is pushed from this local time on …"
    )
    quiet_until = models.TimeField(
        null=True, blank=True, default=dt.time(8, 0), help_text="… until this one. Leave both empty for no quiet hours."
    )
    quiet_binds_transactional = models.BooleanField(
        default=False, help_text="Where the law forbids even transactional messages at night."
    )
    cool_down_minutes = models.PositiveIntegerField(
        default=0, help_text="The least time between two messages to one person, in minutes. 0 means none."
    )
    global_holdout_percent = models.DecimalField(
        max_digits=4,
        decimal_places=2,
        default=0,
        help_text="The share of people who get no promotional or lifecycle message at all, to measure the whole.",
    )
    global_holdout_salt = models.CharField(max_length=64, default="global-holdout", editable=False)

    class Meta:
        verbose_name = "sending rules"
        verbose_name_plural = "sending rules"
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_set_of_rules")]

    def __str__(self) -> str:
        return "Sending rules"

    def clean(self) -> None:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValidationError({"quiet_until": "Give both ends of the quiet hours, or neither."})
        if self.quiet_from is not None and self.quiet_from == self.quiet_until:
            said = "The day may not be quiet from end to end. Give another end, or leave both empty for no quiet hours."
            raise ValidationError({"quiet_until": said})

    @classmethod
    def current(cls) -> SendingRules:
        """The site's rules, or the defaults where none were saved. One query."""
        return next(iter(statements.objects(cls, "id = 1")), None) or cls(pk=1)


class Cap(models.Model):
    """At most `limit` messages to one profile in any `hours` in a row (a rolling window, not calendar days)."""

    limit = models.PositiveIntegerField(help_text="How many. 0 means none at all.")
    hours = models.PositiveIntegerField(help_text="In how many hours, counted back from the moment of sending.")
    topic = models.ForeignKey(
        "audiences.Topic", null=True, blank=True, on_delete=models.CASCADE, help_text="Only this topic; empty for all."
    )
    message_class = models.CharField(
        max_length=13, choices=MessageClass, blank=True, default="", help_text="Only this class; empty for all."
    )
    defers = models.BooleanField(
        default=False, help_text="Wait until the cap frees, rather than holding the message back."
    )

    def __str__(self) -> str:
        return f"{self.limit} in {in_words(dt.timedelta(hours=self.hours))}"
