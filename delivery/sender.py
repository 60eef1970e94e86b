"""Putting a worker's sender together: the site's credential, the one client, a name of its own."""

from __future__ import annotations

import os
import secrets
import socket

from django.conf import settings

from audiences.sealing import unseal
from delivery.dispatch import Sender
from delivery.gateways.webpush import WebPush
from delivery.http import Client
from delivery.models import Credential

PURPOSE = "credential"


class NoCredential(LookupError):
    """There is nothing to send with: the console's settings say how to make a web push credential."""


def current_credential() -> Credential:
    """The credential in use: the newest that is not retired."""
    credential = Credential.objects.filter(gateway="webpush", retired_at=None).order_by("-pk").first()
    if credential is None:
        raise NoCredential("Add a web push credential in Settings.")
    return credential


def build_sender(*, roots: tuple[bytes, ...] = ()) -> Sender:
    """A sender for this process. Its owner's name is new each time: a restarted worker never inherits claims."""
    credential = current_credential()
    client = Client(exempt=settings.HEED_PUSH_ORIGINS, roots=roots)
    gateway = WebPush(
        private_pem=unseal(credential.secret, purpose=PURPOSE),
        public_key=credential.public_key,
        subject=credential.subject,
        client=client,
        exempt=settings.HEED_PUSH_ORIGINS,
    )
    owner = f"{socket.gethostname()[:16]}:{os.getpid()}:{secrets.token_hex(4)}"
    return Sender(owner=owner, credential=credential, gateway=gateway)
