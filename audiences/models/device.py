from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection
from hashlib import md5

from django.db import models
from django.db.models.functions import MD5

STALE_AFTER = dt.timedelta(days=30)
EXPIRED_AFTER = dt.timedelta(days=270)
"""An Android token whose app was not opened for so long: doubtful, and dead (FCM's own rules)."""
RETIRED, FORGOTTEN = "retired:", "forgotten:"
"""What stands in place of an address that moved to another row, or was forgotten."""


class Permission(models.TextChoices):
    """What the operating system or browser allows on a device. It is not consent."""

    GRANTED = "granted", "granted"
    PROVISIONAL = "provisional", "provisional"
    DENIED = "denied", "denied"
    NOT_ASKED = "default", "not asked"


PERMITTED = (Permission.GRANTED, Permission.PROVISIONAL)


class Health(models.TextChoices):
    """Whether a push would find the device. It is neither permission nor consent, nor whose the device is."""

    WORKS = "works", "works"
    STALE = "stale", "not seen for a month"
    RESUBSCRIBE = "resubscribe", "must subscribe again"
    DEAD = "dead", "dead"


class DeviceQuerySet(models.QuerySet["Device"]):
    def live(self) -> DeviceQuerySet:
        """Devices that a push may be sent to: permitted, attached, with an address that is not dead."""
        return self.filter(
            permission__in=PERMITTED,
            quarantined_at=None,
            detached_at=None,
            needs_resubscribe_at=None,
        )

    def known_as(self, *, keys: Collection[str] = (), addresses: Collection[str] = ()) -> DeviceQuerySet:
        """Devices with one of these keys or addresses, by index: addresses may be longer than an index takes."""
        hashes = [md5(one.encode(), usedforsecurity=False).hexdigest() for one in addresses]
        here = models.Q(address_md5__in=hashes, address__in=list(addresses))
        return self.alias(address_md5=MD5("address")).filter(models.Q(key__in=list(keys)) | here)


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
    changed_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When its address, permission or reachability last changed, by the database's clock (a trigger).",
    )

    objects = DeviceQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(MD5("address"), "gateway", name="device_address_once")]
        indexes = [
            models.Index(
                fields=["quarantined_at"],
                name="device_dead",
                condition=models.Q(quarantined_at__isnull=False) & ~models.Q(address__startswith="forgotten:"),
            ),
            models.Index(
                fields=["last_seen_at"],
                name="device_of_fcm_seen",
                condition=models.Q(gateway="fcm", quarantined_at=None),
            ),
            models.Index(
                fields=["changed_at", "id"], name="device_changed", condition=models.Q(changed_at__isnull=False)
            ),
            models.Index(fields=["gateway", "app", "environment"], name="device_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.get_gateway_display()} {self.browser or self.platform} {self.public_id}"

    def health(self, *, now: dt.datetime) -> Health:
        return health_of(
            gateway=self.gateway,
            platform=self.platform,
            is_dead=self.quarantined_at is not None,
            must_resubscribe=self.needs_resubscribe_at is not None,
            last_seen_at=self.last_seen_at,
            now=now,
        )


def health_of(
    *,
    gateway: str,
    platform: str,
    is_dead: bool,
    must_resubscribe: bool,
    last_seen_at: dt.datetime,
    now: dt.datetime,
) -> Health:
    """The health of an address. The segment compiler says the same in SQL."""
    if is_dead:
        return Health.DEAD
    if must_resubscribe:
        return Health.RESUBSCRIBE
    if gateway == Device.Gateway.FCM and platform != "ios" and last_seen_at < now - STALE_AFTER:
        return Health.STALE
    return Health.WORKS


class FormerOwner(models.Model):
    """A device that was this profile's and is somebody else's now: somebody else logged in on it."""

    profile = models.ForeignKey("audiences.Profile", on_delete=models.CASCADE, related_name="former_devices")
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="former_owners")
    left_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["profile", "device"], name="former_owner_once")]

    def __str__(self) -> str:
        return f"{self.profile_id} had {self.device_id}"
