from __future__ import annotations

import uuid

from django.db import models


class Permission(models.TextChoices):
    """What the operating system or browser allows on a device. It is not consent."""

    GRANTED = "granted", "granted"
    PROVISIONAL = "provisional", "provisional"
    DENIED = "denied", "denied"
    NOT_ASKED = "default", "not asked"


PERMITTED = (Permission.GRANTED, Permission.PROVISIONAL)


class DeviceQuerySet(models.QuerySet["Device"]):
    def live(self) -> DeviceQuerySet:
        """Devices that a push may be sent to: permitted, attached, with an address that is not dead."""
        return self.filter(
            permission__in=PERMITTED,
            quarantined_at=None,
            detached_at=None,
            needs_resubscribe_at=None,
        )


class Device(models.Model):
    """One browser or phone. Its address may rotate; the device stays the same."""

    class Gateway(models.TextChoices):
        WEBPUSH = "webpush", "Web push"
        FCM = "fcm", "Android (FCM)"
        APNS = "apns", "iOS (APNs)"

    class Environment(models.TextChoices):
        """Apple's two worlds: an address of one is unknown in the other."""

        PRODUCTION = "production", "production"
        SANDBOX = "sandbox", "sandbox"

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    profile = models.ForeignKey("audiences.Profile", on_delete=models.CASCADE, related_name="devices")
    key = models.TextField(null=True, blank=True, unique=True, help_text="The id that the browser or app keeps.")
    gateway = models.CharField(max_length=8, choices=Gateway)
    address = models.TextField(help_text="The push endpoint or token.")
    p256dh = models.TextField(blank=True, default="", db_default="")
    auth = models.TextField(blank=True, default="", db_default="")
    sender_key = models.TextField(
        blank=True, default="", db_default="", help_text="The site's public key at the time of the subscription."
    )
    app = models.CharField(
        max_length=255, blank=True, default="", db_default="", help_text="The app's bundle id or package name."
    )
    environment = models.CharField(max_length=10, choices=Environment, blank=True, default="", db_default="")
    permission = models.CharField(max_length=11, choices=Permission, default=Permission.GRANTED)
    permission_lost_at = models.DateTimeField(
        null=True, blank=True, help_text="When it last told that notifications, once allowed, no longer are."
    )
    platform = models.CharField(max_length=16, blank=True, default="", db_default="")
    browser = models.CharField(max_length=32, blank=True, default="", db_default="")
    os = models.CharField(max_length=32, blank=True, default="", db_default="")
    app_version = models.CharField(max_length=32, blank=True, default="", db_default="")
    locale = models.CharField(max_length=35, blank=True, default="", db_default="")
    zone = models.CharField(max_length=64, blank=True, default="", db_default="")
    created_at = models.DateTimeField()
    registered_at = models.DateTimeField(help_text="When this address was last registered.")
    last_seen_at = models.DateTimeField()
    detached_at = models.DateTimeField(null=True, blank=True, help_text="Logged out; nobody is pushed here.")
    quarantined_at = models.DateTimeField(null=True, blank=True, help_text="The gateway said the address is dead.")
    quarantine_reason = models.CharField(max_length=40, blank=True, default="", db_default="")
    needs_resubscribe_at = models.DateTimeField(null=True, blank=True)
    simulated = models.BooleanField(default=False, db_default=False)

    objects = DeviceQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["gateway", "address"], name="device_address_once")]
        indexes = [
            models.Index(
                fields=["quarantined_at"],
                name="device_dead",
                condition=models.Q(quarantined_at__isnull=False) & ~models.Q(address__startswith="forgotten:"),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_gateway_display()} {self.browser or self.platform} {self.public_id}"
