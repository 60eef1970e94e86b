from __future__ import annotations

from django.db import models


class Credential(models.Model):
    """What a gateway knows us by. Its secret is sealed and write-only."""

    gateway = models.CharField(max_length=8, default="webpush")
    name = models.CharField(max_length=80, unique=True)
    public_key = models.TextField(unique=True, help_text="Web push: the public VAPID key, base64url.")
    secret = models.BinaryField(editable=False, help_text="Sealed private key.")
    subject = models.CharField(
        max_length=200, help_text="Who push services may write to about trouble: mailto:you@example.com or https://…"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    pause_reason = models.CharField(max_length=200, blank=True, default="")

    def __str__(self) -> str:
        return self.name


class Hold(models.Model):
    """An origin that is left alone for a while (`until`), or until someone resumes it (`until` None)."""

    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="holds")
    origin = models.CharField(max_length=255, help_text="The push service, such as https://fcm.googleapis.com")
    until = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=40)
    detail = models.TextField(blank=True, default="")
    since = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["credential", "origin"], name="hold_once")]

    def __str__(self) -> str:
        return f"{self.origin}: {self.reason}"
