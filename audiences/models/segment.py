from __future__ import annotations

from django.conf import settings
from django.db import models


class Segment(models.Model):
    """A saved rule: a tree of conditions. Never a list of people."""

    name = models.CharField(max_length=120, unique=True, help_text="What you will look for in the list.")
    description = models.CharField(max_length=300, blank=True, default="")
    rule = models.JSONField(help_text="The tree of conditions, edited in the builder.")
    version = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name
