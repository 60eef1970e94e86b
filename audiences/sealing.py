"""Secrets at rest: AES-256-GCM under a key that is not in the database, named by a key id so that it can rotate."""

from __future__ import annotations

import os
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings


class Unsealable(ValueError):
    """The secret was sealed under another key, or was changed."""


@cache
def _cipher(key_id: str) -> AESGCM:
    try:
        return AESGCM(bytes.fromhex(settings.HEED_KEK[key_id]))
    except KeyError:
        raise Unsealable(f"The key {key_id!r} that sealed this secret is not in HEED_KEK.") from None


def seal(secret: bytes, *, purpose: str) -> bytes:
    """Encrypt under the newest key: b"<key id>:" + nonce + ciphertext. Only the same purpose opens it."""
    key_id = next(iter(settings.HEED_KEK))
    nonce = os.urandom(12)
    return key_id.encode() + b":" + nonce + _cipher(key_id).encrypt(nonce, secret, purpose.encode())


def unseal(sealed: bytes | memoryview, *, purpose: str) -> bytes:
    """The secret again, or Unsealable."""
    key_id, _, rest = bytes(sealed).partition(b":")
    try:
        return _cipher(key_id.decode()).decrypt(rest[:12], rest[12:], purpose.encode())
    except InvalidTag:
        raise Unsealable(f"A sealed {purpose} does not open under key {key_id.decode()!r}.") from None


def reseal(sealed: bytes | memoryview, *, purpose: str) -> bytes | None:
    """The same secret under the newest key, or None where it lies under that already. Raises Unsealable."""
    if bytes(sealed).startswith(f"{next(iter(settings.HEED_KEK))}:".encode()):
        return None
    return seal(unseal(sealed, purpose=purpose), purpose=purpose)
