from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models


class ApiKey(models.Model):
    """A key for the REST API, for the company's own services. Shown once; only its SHA-256 is kept."""

    class Scope(models.TextChoices):
        READ = "read", "read"
        WRITE = "write", "write profiles, events and choices"
        SEND = "send", "send messages"
        SEND_TRANSACTIONAL = "send:transactional", "send transactional messages"
        ADMIN = "admin", "everything"

    name = models.CharField(max_length=80, help_text="Which service uses it.")
    hint = models.CharField(max_length=16, editable=False, help_text="The first characters, to recognise it.")
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=18, choices=Scope))
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name

    def may(self, scope: str) -> bool:
        """Whether the key has this scope; `admin` has all."""
        return scope in self.scopes or self.Scope.ADMIN in self.scopes
