from __future__ import annotations

from django.db import models


class Rollup(models.Model):
    """The sums that a large campaign's report stands on, as counted last (campaigns/results/rollups.py)."""

    wave = models.OneToOneField("delivery.Wave", primary_key=True, on_delete=models.CASCADE, related_name="+")
    grain = models.CharField(max_length=6)
    sums = models.JSONField(help_text="The rows of results.outcomes.sums.")
    series = models.JSONField(help_text="The rows of results.outcomes.series.")
    counted_at = models.DateTimeField()
    took_seconds = models.FloatField()
    is_final = models.BooleanField(default=False, help_text="Every window was closed: nothing changes any more.")

    def __str__(self) -> str:
        return f"{self.wave_id} at {self.counted_at:%Y-%m-%d %H:%M}"
