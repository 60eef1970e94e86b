from __future__ import annotations

from django.db import models


class Send(models.Model):
    """One message that a program asked us to send, to a profile or a few. Its number is the occurrence of its
    messages in the wave of their day. Who asked, and for which class, stays on record."""

    public_id = models.UUIDField(unique=True, editable=False)
    wave = models.ForeignKey("delivery.Wave", on_delete=models.PROTECT, related_name="sends")
    asked_by = models.CharField(max_length=120, help_text="Which program, such as the API key's name.")
    asked_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.public_id)
