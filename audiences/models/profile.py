from __future__ import annotations

from django.db import models


class ProfileQuerySet(models.QuerySet["Profile"]):
    def standing_alone(self) -> ProfileQuerySet:
        """Profiles that count as people: neither erased nor absorbed by another in a merge."""
        return self.filter(erased_at=None, merged_into=None)


class Profile(models.Model):
    """A person we may notify. The app's own id is `external_id`; visitors not yet known have none."""

    external_id = models.TextField(
        null=True, blank=True, unique=True, help_text="The id that your own systems use for this person."
    )
    attributes = models.JSONField(default=dict, blank=True, help_text="What is known about this person.")
    locale = models.CharField(max_length=35, blank=True, db_default="", default="")
    zone = models.CharField(
        max_length=64, blank=True, db_default="", default="", help_text="Time zone, such as Europe/Berlin."
    )
    created_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    proven_at = models.DateTimeField(
        null=True, blank=True, help_text="When a secret key or an import first vouched for this id."
    )
    erased_at = models.DateTimeField(null=True, blank=True)
    # Its index is `profile_absorbed`: hardly any profile has one.
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="absorbed", db_index=False
    )
    simulated = models.BooleanField(default=False, db_default=False, help_text="Made by the demo, not a real person.")

    objects = ProfileQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["-last_seen_at"], name="profile_seen"),
            models.Index(
                fields=["merged_into"], name="profile_absorbed", condition=models.Q(merged_into__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """What a marketer would call this person: full name, else id, else that they are anonymous."""
        said = self.attributes
        full = said.get("name") or " ".join(str(said[k]) for k in ("first_name", "last_name") if said.get(k))
        return str(full or self.external_id or f"Anonymous {self.pk}")


class Identifier(models.Model):
    """One way in which calls name a profile. Resolving a batch of calls is one look-up in this table."""

    class Kind(models.TextChoices):
        USER = "user", "user id"
        ANONYMOUS = "anonymous", "anonymous id"

    kind = models.CharField(max_length=9, choices=Kind)
    value = models.TextField()
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="identifiers")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "value"], name="identifier_once")]

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


class Standing(models.Model):
    """The narrow row whose `epoch` guards an intent.

    Whatever can change a verdict raises the epoch in its own transaction (`audiences.standing.raise_epochs`);
    an intent is a compare-and-set on it. Narrow, so that a million updates stay cheap.
    """

    profile = models.OneToOneField(Profile, primary_key=True, on_delete=models.CASCADE, related_name="standing")
    epoch = models.BigIntegerField(default=0, db_default=0)

    def __str__(self) -> str:
        return f"{self.profile_id}@{self.epoch}"


class AttributeName(models.Model):
    """An attribute seen in the data: feeds suggestions, typed operators and the data-quality counter."""

    name = models.TextField(primary_key=True)
    kinds = models.JSONField(default=dict, help_text="JSON kinds seen, with how often each was counted.")
    last_seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
