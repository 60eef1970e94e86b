from __future__ import annotations

from django.db import models


class MessageClass(models.TextChoices):
    PROMOTIONAL = "promotional", "Promotional"
    LIFECYCLE = "lifecycle", "Lifecycle"
    TRANSACTIONAL = "transactional", "Transactional"


class WaveQuerySet(models.QuerySet["Wave"]):
    def running(self) -> WaveQuerySet:
        return self.filter(state=Wave.State.RUNNING)


class Wave(models.Model):
    """One occurrence of a campaign, or one day of a send step or of the send API.

    `origin` names what it belongs to in the upper layer ("campaign:12"), or is SEND_API; `content_source` is the name under which
    that layer registered who renders and judges its messages.
    """

    class State(models.TextChoices):
        PLANNING = "planning", "planning"
        RUNNING = "running", "running"
        PAUSED = "paused", "paused"
        STOPPED = "stopped", "stopped"
        FINISHED = "finished", "finished"

    SEND_API = "api"

    origin = models.CharField(max_length=80)
    occurrence = models.CharField(max_length=64, help_text="Which occurrence of its origin: a time or a day.")
    wave_on = models.DateField(help_text="Its first day (UTC); the key of the ledger's partitions.")
    state = models.CharField(max_length=8, choices=State, default=State.PLANNING)
    message_class = models.CharField(max_length=13, choices=MessageClass, default=MessageClass.PROMOTIONAL)
    topic = models.ForeignKey("audiences.Topic", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    content_source = models.CharField(max_length=20)
    content_ref = models.BigIntegerField(null=True, help_text="What the content source renders, such as a version.")
    control_salt = models.CharField(max_length=64, blank=True, default="", db_default="")
    control_share = models.PositiveSmallIntegerField(default=0, help_text="Of 10,000.")
    must_arrive = models.BooleanField(default=False)
    ttl_seconds = models.PositiveIntegerField(default=86_400)
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    per_minute = models.PositiveIntegerField(null=True, help_text="At most so many messages a minute.")
    exact_time = models.BooleanField(
        default=False, db_default=False, help_text="Sent to Android around the quarter hours too."
    )
    running_at = models.DateTimeField(null=True, help_text="Since when it runs: planned, or resumed.")
    tolerance_minutes = models.PositiveIntegerField(default=60, help_text="Later than this, a message expires.")
    planned_count = models.BigIntegerField(default=0, db_default=0)
    plan_cursor = models.BigIntegerField(default=0, db_default=0, help_text="Last profile id that planning has passed.")
    planned_at = models.DateTimeField(null=True, blank=True, help_text="When planning was complete.")
    state_reason = models.CharField(max_length=200, blank=True, default="", db_default="")
    fix_count = models.PositiveIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    simulated = models.BooleanField(default=False, db_default=False)

    objects = WaveQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["origin", "occurrence"], name="wave_once")]
        indexes = [
            models.Index(fields=["state"], name="wave_open", condition=~models.Q(state__in=["finished", "stopped"])),
            models.Index(fields=["message_class"], name="wave_running", condition=models.Q(state="running")),
        ]

    def __str__(self) -> str:
        return f"{self.origin} of {self.wave_on}"
