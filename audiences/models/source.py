from __future__ import annotations

from django.db import models


class Source(models.Model):
    """An app, site or service that sends us calls, with its own write key."""

    class Kind(models.TextChoices):
        SERVER = "server", "Server (secret key)"
        BROWSER = "browser", "Website (public key)"
        MOBILE = "mobile", "Mobile app (public key)"

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=7, choices=Kind)
    write_key = models.CharField(
        max_length=64,
        null=True,
        blank=True,
        unique=True,
        help_text="Public keys only: they stand in your pages, so they are no secret.",
    )
    write_key_hash = models.CharField(
        max_length=64, unique=True, editable=False, help_text="SHA-256 of the key, in hexadecimal."
    )
    key_hint = models.CharField(max_length=16, editable=False, help_text="The first characters, to recognise it.")
    identity_secret = models.BinaryField(editable=False, help_text="Sealed; proves who a visitor is (userHash).")
    requires_proof = models.BooleanField(
        default=True,
        help_text="Ask for proof (userHash) before a public key may speak for an id that your servers vouched for. "
        "Without it, anyone who knows an id could subscribe to somebody else's messages.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    unproven_calls = models.BigIntegerField(
        default=0, db_default=0, help_text="Calls that named a vouched-for id without proof."
    )
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name

    @property
    def is_trusted(self) -> bool:
        """Whether its key is secret: it may identify, set attributes of anyone, and merge."""
        return self.kind == self.Kind.SERVER
