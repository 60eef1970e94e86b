from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone


class WebhookEndpoint(models.Model):
    """An address of the company's own that is told what happens. Its secrets are sealed; each is shown once."""

    public_id = models.UUIDField(unique=True, editable=False)
    name = models.CharField(max_length=80, unique=True)
    url = models.CharField(max_length=2000)
    kinds = ArrayField(models.CharField(max_length=40))
    secret = models.BinaryField(editable=False)
    old_secret = models.BinaryField(null=True, editable=False)
    old_secret_until = models.DateTimeField(null=True)
    made_by = models.CharField(max_length=120, default="")
    created_at = models.DateTimeField()
    since = models.DateTimeField(help_text="What happened before, by the database's clock, is not told.")
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_reason = models.CharField(max_length=200, default="", blank=True)
    failing_since = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    retry_at = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "webhook"

    def __str__(self) -> str:
        return self.name

    def has_old_secret(self) -> bool:
        """Whether what we send is signed with the secret before this one as well."""
        return bool(self.old_secret and self.old_secret_until and self.old_secret_until > timezone.now())


class WebhookDelivery(models.Model):
    """A batch of events for one endpoint: sent as one POST, again until it is taken or a day has passed.

    `log` is what each attempt was answered: a list of {"at", "status", "words"}.
    """

    class State(models.TextChoices):
        PENDING = "pending", "waiting"
        DELIVERED = "delivered", "delivered"
        FAILED = "failed", "failed"

    id = models.UUIDField(primary_key=True, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    events = models.TextField(help_text="The events as JSON, as they are sent.")
    count = models.PositiveIntegerField()
    kinds = ArrayField(models.CharField(max_length=40))
    state = models.CharField(max_length=9, choices=State, default=State.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    give_up_at = models.DateTimeField(null=True, help_text="A day after the first attempt.")
    lease_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True, help_text="What the last attempt was answered.")
    words = models.TextField(default="", help_text="How that answer began, or why there was none.")
    log = models.JSONField(default=list)

    class Meta:
        indexes = [
            models.Index(fields=["endpoint", "-created_at"], name="webhook_listed"),
            models.Index(fields=["due_at"], name="webhook_due", condition=models.Q(state="pending")),
            models.Index(fields=["finished_at"], name="webhook_old", condition=models.Q(finished_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.count} events to {self.endpoint_id}: {self.state}"


class WebhookCursor(models.Model):
    """How far one source of events was read: the database's moment, and the row among those of the same moment."""

    source = models.CharField(max_length=20, primary_key=True)
    at = models.DateTimeField()
    row = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.source} {self.at}"
