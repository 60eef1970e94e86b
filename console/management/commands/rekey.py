from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model

from audiences.models import Source
from audiences.sealing import Unsealable, reseal
from console.models import WebhookEndpoint
from console.webhooks.endpoints import PURPOSE as WEBHOOK
from delivery.credentials import PURPOSE as CREDENTIAL
from delivery.gateways.access import PURPOSE as ACCESS_TOKEN
from delivery.models import AccessToken, Credential

SEALED: tuple[tuple[type[Model], str, str], ...] = (
    (Credential, "secret", CREDENTIAL),
    (Source, "identity_secret", "identity"),
    (WebhookEndpoint, "secret", WEBHOOK),
    (WebhookEndpoint, "old_secret", WEBHOOK),
    (AccessToken, "sealed", ACCESS_TOKEN),
)
"""Where sealed secrets lie, and what for."""


class Command(BaseCommand):
    help = "Seals every secret anew, under the first key of HEED_KEK. What uses them goes on meanwhile."

    def handle(self, **options: Any) -> None:
        lost: list[str] = []
        count = 0
        for model, field, purpose in SEALED:
            for pk, sealed in model._default_manager.values_list("pk", field).iterator():
                try:
                    anew = reseal(sealed, purpose=purpose) if sealed else None
                except Unsealable as problem:
                    lost.append(f"{model._meta.verbose_name} {pk}: {problem}")
                    continue
                # Only where nobody gave another secret meanwhile.
                same = {"pk": pk, field: bytes(sealed)}
                count += anew is not None and model._default_manager.filter(**same).update(**{field: anew})
        self.stdout.write(f"{count} secrets are sealed anew.")
        if lost:
            raise CommandError("These do not open, and stay as they are:\n" + "\n".join(lost))
