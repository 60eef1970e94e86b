"""Keys of the REST API: made, found, and remembered for 30 seconds."""

from __future__ import annotations

import datetime as dt
import secrets
import time
from collections.abc import Sequence
from hashlib import sha256

from console.models import ApiKey

PREFIX = "hk_"
KEPT_SECONDS = 30.0
KEPT_KEYS = 1000
USED_STEP = dt.timedelta(minutes=1)

_kept: dict[str, tuple[float, ApiKey]] = {}


def create_key(name: str, scopes: Sequence[str], *, expires_at: dt.datetime | None = None) -> tuple[ApiKey, str]:
    """A new key with these scopes, and its text: the only time that it is seen."""
    text = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        name=name,
        scopes=[ApiKey.Scope(scope) for scope in scopes],
        hint=text[:8] + "…",
        key_hash=_hash(text),
        expires_at=expires_at,
    )
    return key, text


def find_key(text: str, *, now: dt.datetime) -> ApiKey | None:
    """The key with this text, unless it is revoked or expired. A revoked key lives 30 seconds more at most."""
    digest = _hash(text)
    until, key = _kept.get(digest, (0.0, None))
    if key is None or until < time.monotonic():
        key = ApiKey.objects.filter(key_hash=digest, revoked_at=None).first()
        if key is None:
            _kept.pop(digest, None)
            return None
        if len(_kept) >= KEPT_KEYS:
            _kept.clear()
        _kept[digest] = (time.monotonic() + KEPT_SECONDS, key)
    if key.expires_at and key.expires_at <= now:
        return None
    if key.last_used_at is None or now - key.last_used_at > USED_STEP:
        key.last_used_at = now
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def forget_keys() -> None:
    """Look every key up again."""
    _kept.clear()


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()
