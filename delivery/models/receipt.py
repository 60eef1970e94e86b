from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Receipt(models.Model):
    """One row for each receipt that counted, in the order of arrival: what upper layers read to tell programs.

    A log that is kept for days (delivery/receipts.py); the push itself keeps its moments for good. `at` is the
    device's time, `recorded_at` the database's.
    """

    push_id = models.UUIDField()
    wave_on = models.DateField()
    message_id = models.BigIntegerField()
    profile_id = models.BigIntegerField()
    device_id = models.BigIntegerField()
    kind = models.CharField(max_length=9)
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["recorded_at", "id"], name="receipt_recorded")]

    def __str__(self) -> str:
        return f"{self.push_id} {self.kind}"
