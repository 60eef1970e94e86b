from __future__ import annotations

from django.db import models


class Throttle(models.Model):
    """A bucket of turns, on PostgreSQL's clock: `wave:12` for a wave, `credential:3` for a credential."""

    name = models.CharField(primary_key=True, max_length=40)
    level = models.FloatField(help_text="How many may go now, as of `filled_at`.")
    filled_at = models.DateTimeField()
    frees_at = models.DateTimeField(null=True, help_text="It is empty: asking is worth it from then on.")
    promised_until = models.DateTimeField(null=True, help_text="Until when turns have been given to those that wait.")

    def __str__(self) -> str:
        return self.name
