from __future__ import annotations

from django.db import models


class Event(models.Model):
    """Something a profile did. Partitioned by month of `occurred_at`; always query with a range of it.

    The database's primary key is `(id, occurred_at)`; to Django it is `id`.
    """

    class Kind(models.TextChoices):
        TRACK = "track"
        PAGE = "page"
        SCREEN = "screen"

    profile = models.ForeignKey(
        "audiences.Profile", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="events"
    )
    name = models.TextField()
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    properties = models.JSONField(default=dict)
    context = models.JSONField(default=dict)
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.TRACK)
    source = models.ForeignKey(
        "audiences.Source", null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    message_id = models.TextField()

    class Meta:
        indexes = [
            models.Index(fields=["profile", "occurred_at"], name="event_of_profile"),
            models.Index(fields=["name", "occurred_at"], include=["profile"], name="event_by_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name} at {self.occurred_at:%Y-%m-%d %H:%M}"


class SeenCall(models.Model):
    """The message ids of the last 7 days, so that a repeated call is stored once."""

    pk = models.CompositePrimaryKey("source_id", "message_id")
    source_id = models.BigIntegerField()
    message_id = models.TextField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source_id", "message_id"], name="call_once")]
        indexes = [models.Index(fields=["seen_at"], name="call_seen_at")]

    def __str__(self) -> str:
        return self.message_id


class EventName(models.Model):
    """An event name seen in the data, with the properties it carried: feeds suggestions and typed operators."""

    name = models.TextField(primary_key=True)
    properties = models.JSONField(default=dict, help_text="Property name → JSON kinds seen.")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
