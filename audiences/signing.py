"""Signed tokens that need no row: HMAC-SHA256 with a key id and a purpose, compared in constant time."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from functools import cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from django.conf import settings


@cache
def _key(key_id: str, purpose: str) -> HMAC | None:
    """What has taken in the key, and signs as a copy."""
    kek = settings.HEED_KEK.get(key_id)
    if not kek:
        return None
    return HMAC(hmac.digest(bytes.fromhex(kek), f"signing:{purpose}".encode(), "sha256"), SHA256())


def sign(purpose: str, message: str) -> str:
    """`<key id>.<256-bit mac, base64url>` over the message, for one purpose."""
    key_id = _newest()
    return f"{key_id}.{_mac(key_id, purpose, message)}"


@cache
def _newest() -> str:
    return next(iter(settings.HEED_KEK))


def is_signed(purpose: str, message: str, token: str) -> bool:
    """Whether the token was made by `sign` for this purpose and message."""
    key_id, _, mac = token.partition(".")
    key = _key(key_id, purpose) if key_id.isalnum() and len(key_id) <= 16 else None
    if key is None:
        return False
    return hmac.compare_digest(_mac(key_id, purpose, message).encode(), mac.encode())


def _mac(key_id: str, purpose: str, message: str) -> str:
    key = _key(key_id, purpose)
    assert key is not None
    mac = key.copy()
    mac.update(message.encode())
    return urlsafe_b64encode(mac.finalize())[:-1].decode()
