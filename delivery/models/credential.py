from __future__ import annotations

import datetime as dt

from django.core.validators import MinValueValidator
from django.db import models

from audiences.models import Device

BROKEN = "gateway_trouble"
"""The reason of a hold that ends by an answer, not by time: see holds.py."""


class Credential(models.Model):
    """What a gateway knows us by, for one app or for all. Its secret is sealed and write-only."""

    gateway = models.CharField(max_length=8, choices=Device.Gateway, default=Device.Gateway.WEBPUSH)
    name = models.CharField(max_length=80, unique=True, help_text="What you will look for in the list.")
    app = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text="The app it sends for: a bundle id or package name, such as com.example.shop. Empty: every app.",
    )
    environment = models.CharField(
        max_length=10,
        choices=Device.Environment,
        blank=True,
        default="",
        db_default="",
        help_text="Apple only: builds from the store are production, builds from Xcode are sandbox.",
    )
    public_key = models.TextField(
        help_text="What the gateway calls us. Web push: the public VAPID key; FCM: the service account; APNs: team.key."
    )
    secret = models.BinaryField(editable=False, help_text="Sealed private key.")
    subject = models.CharField(
        max_length=200,
        blank=True,
        default="",
        help_text="Who push services may write to about trouble: mailto:you@example.com or https://…",
    )
    per_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="At most so many pushes a minute with this credential. Empty: as fast as the gateway takes them.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gateway", "public_key", "app", "environment"], name="credential_once")
        ]

    def __str__(self) -> str:
        return self.name


class Hold(models.Model):
    """An origin, or (where it is empty) a whole credential, that is left alone for a while (`until`), or until someone
    resumes it (`until` None). See holds.py."""

    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="holds")
    origin = models.CharField(
        max_length=255, blank=True, help_text="The push service, such as https://fcm.googleapis.com; empty: all."
    )
    until = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=40)
    detail = models.TextField(blank=True, default="")
    since = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["credential", "origin"], name="hold_once")]

    def __str__(self) -> str:
        return f"{self.origin}: {self.reason}"

    def in_force(self, now: dt.datetime) -> bool:
        return self.until is None or self.until > now or self.reason == BROKEN


class Loss(models.Model):
    """How many addresses an origin has called dead lately beyond those that it accepted, over all workers."""

    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="losses")
    origin = models.CharField(max_length=255)
    count = models.PositiveIntegerField(default=0)
    since = models.DateTimeField(help_text="When the first of them was called dead.")
    believed_until = models.DateTimeField(
        null=True, blank=True, help_text="Somebody said that the addresses are really gone: nothing is counted."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["credential", "origin"], name="loss_once")]

    def __str__(self) -> str:
        return f"{self.origin}: {self.count} lost"
