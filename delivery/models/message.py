from __future__ import annotations

import uuid

from django.db import models

from delivery.message_ids import public_id


class Arm(models.TextChoices):
    TOLD = "told", "told"
    CONTROL = "control", "control"
    GLOBAL_HOLDOUT = "global_holdout", "global holdout"


class Message(models.Model):
    """The ledger: what one wave decided for one profile, sent or not, and why.

    Partitioned by month of `wave_on`: queries give it as well. The database's primary key is `(id, wave_on)`.
    `verdicts` is what the gates said: a list of {"gate", "allowed", "reason", "values", "frees_at"} in gate order.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "queued"
        CLAIMED = "claimed", "being judged"
        SUPPRESSED = "suppressed", "held back"
        EXPIRED = "expired", "expired"
        HELD_OUT = "held_out", "held out"
        PUSHING = "pushing", "pushing"
        SENT = "sent", "sent"
        UNKNOWN = "unknown", "unknown"
        REJECTED = "rejected", "rejected"
        DROPPED = "dropped", "dropped"

    wave_on = models.DateField()
    wave = models.ForeignKey("delivery.Wave", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    profile = models.ForeignKey(
        "audiences.Profile", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="messages"
    )
    occurrence = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="Which message of this wave for the profile, such as the number of an API send.",
    )
    arm = models.CharField(max_length=14, choices=Arm)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    reason = models.CharField(max_length=40, default="", db_default="")
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, help_text="Its own end, where that comes before its wave's.")
    planned_at = models.DateTimeField()
    planned_epoch = models.BigIntegerField(help_text="The standing's epoch when this was planned: the ledger position.")
    held_by = models.BigIntegerField(null=True, help_text="The hold that it waits for, while that is in force.")
    owner = models.CharField(max_length=40, default="", db_default="")
    lease_until = models.DateTimeField(null=True)
    fence = models.IntegerField(default=0, db_default=0)
    crashes = models.SmallIntegerField(default=0, db_default=0, help_text="How often a worker died or failed on it.")
    decided_at = models.DateTimeField(null=True)
    intent_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    verdicts = models.JSONField(null=True)
    data = models.JSONField(null=True, help_text="What triggered it, or content that a program brought along.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["wave", "profile", "occurrence", "wave_on"], name="message_once"),
        ]
        indexes = [
            models.Index(fields=["wave", "due_at"], name="message_due", condition=models.Q(state="queued")),
            models.Index(
                fields=["lease_until"],
                name="message_leased",
                condition=models.Q(state__in=["claimed", "pushing"]),
            ),
            models.Index(
                fields=["held_by"],
                name="message_held",
                condition=models.Q(state="queued", held_by__isnull=False),
            ),
            models.Index(fields=["wave"], name="message_suspect", condition=models.Q(state="queued", crashes__gt=0)),
            models.Index(fields=["profile", "planned_at"], name="message_of_profile"),
            models.Index(
                fields=["profile", "intent_at"], name="message_pressure", condition=models.Q(intent_at__isnull=False)
            ),
            models.Index(
                fields=["finished_at", "id"], name="message_finished", condition=models.Q(finished_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.wave_id}/{self.profile_id} {self.state} {self.reason}".rstrip()

    @property
    def public_id(self) -> str:
        """What programs call it: its day finds the partition."""
        return public_id(self.pk, self.wave_on)


class Push(models.Model):
    """One message on one device; its attempts are numbered. Partitioned like Message."""

    class State(models.TextChoices):
        SENDING = "sending", "sending"
        SENT = "sent", "sent"
        REJECTED = "rejected", "rejected"
        DROPPED = "dropped", "dropped"
        UNKNOWN = "unknown", "unknown"
        RETRY = "retry", "to be tried again"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    wave_on = models.DateField()
    wave = models.ForeignKey("delivery.Wave", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    message = models.ForeignKey(
        Message, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="pushes"
    )
    profile = models.ForeignKey(
        "audiences.Profile", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="pushes"
    )
    device = models.ForeignKey("audiences.Device", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    credential = models.ForeignKey(
        "delivery.Credential", null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    send_key = models.CharField(max_length=60, help_text="The wave and occurrence: one push per key and device.")
    state = models.CharField(max_length=8, choices=State, default=State.SENDING)
    reason = models.CharField(max_length=40, default="", db_default="")
    attempt = models.SmallIntegerField(default=1, db_default=1)
    due_at = models.DateTimeField(null=True)
    owner = models.CharField(max_length=40, default="", db_default="")
    lease_until = models.DateTimeField(null=True)
    fence = models.IntegerField(default=0, db_default=0)
    content = models.JSONField(null=True, help_text="What was sent: title, body, link and the rest.")
    intent_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    status = models.CharField(max_length=60, default="", db_default="", help_text="What the gateway answered.")
    gateway_ref = models.TextField(default="", db_default="")
    ttl_granted = models.IntegerField(null=True)
    received_at = models.DateTimeField(null=True)
    shown_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)
    clicked_at = models.DateTimeField(null=True)
    dismissed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["send_key", "device", "wave_on"], name="push_once")]
        indexes = [
            models.Index(fields=["message"], name="push_of_message"),
            models.Index(fields=["wave", "state"], name="push_of_wave"),
            models.Index(fields=["lease_until"], name="push_leased", condition=models.Q(state="sending")),
            models.Index(
                fields=["profile", "clicked_at"], name="push_clicked", condition=models.Q(clicked_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.state} {self.reason}".rstrip()
