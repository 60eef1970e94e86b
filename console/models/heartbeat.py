from django.db import models


class Heartbeat(models.Model):
    """When a background process was last seen (console/heartbeat.py)."""

    name = models.CharField(max_length=80, primary_key=True)
    seen_at = models.DateTimeField()
    detail = models.CharField(max_length=200, default="", db_default="")

    def __str__(self) -> str:
        return self.name
