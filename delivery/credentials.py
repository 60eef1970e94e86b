"""Making what push services know us by: a key pair whose private half is sealed at once."""

from __future__ import annotations

import datetime as dt
from base64 import urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from audiences.sealing import seal
from delivery.models import Credential


def create_credential(name: str, *, subject: str, now: dt.datetime) -> Credential:
    """A new web push credential with a fresh P-256 (VAPID) pair. The private key is kept sealed and told to nobody."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return Credential.objects.create(
        name=name,
        public_key=urlsafe_b64encode(point).rstrip(b"=").decode(),
        secret=seal(pem, purpose="credential"),
        subject=subject,
        created_at=now,
    )
