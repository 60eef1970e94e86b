"""Sources: making them, finding them by their write key, and the proof of identity that their secret gives."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from hashlib import sha256

from django.utils.encoding import force_bytes

from audiences.models import Source
from audiences.sealing import seal, unseal

KEPT_SECONDS = 30.0
KEPT_SOURCES = 1000
PREFIXES = {Source.Kind.SERVER: "hs_", Source.Kind.BROWSER: "hb_", Source.Kind.MOBILE: "hm_"}

_kept: dict[str, tuple[float, Source]] = {}
_secrets: dict[int, bytes] = {}
_lock = threading.Lock()


def create_source(name: str, kind: str) -> tuple[Source, str]:
    """A new source and its write key. A server's key is secret: this is the only time that it is seen."""
    key = PREFIXES[Source.Kind(kind)] + secrets.token_urlsafe(32)
    secret = "id_" + secrets.token_urlsafe(32)
    source = Source.objects.create(
        name=name,
        kind=kind,
        write_key=None if kind == Source.Kind.SERVER else key,
        write_key_hash=key_hash(key),
        key_hint=key[:8] + "…",
        identity_secret=seal(secret.encode(), purpose="identity"),
    )
    return source, key


def key_hash(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def source_of_key(key: str) -> Source | None:
    """The source that owns a write key, or None. Remembered for 30 seconds, so a revoked key lives so long at most."""
    digest = key_hash(key)
    known = _kept.get(digest)
    if known and known[0] > time.monotonic():
        return known[1]
    source = Source.objects.filter(write_key_hash=digest, revoked_at=None).first()
    with _lock:
        _kept.pop(digest, None)
        if source is not None:
            if len(_kept) >= KEPT_SOURCES:
                _kept.clear()
            _kept[digest] = (time.monotonic() + KEPT_SECONDS, source)
    return source


def is_kept(key: str) -> bool:
    """Whether the key was found to be good within the last 30 seconds, without asking the database."""
    known = _kept.get(key_hash(key))
    return bool(known and known[0] > time.monotonic())


def forget_sources() -> None:
    """Look every key up again."""
    with _lock:
        _kept.clear()
        _secrets.clear()


def identity_secret(source: Source) -> str:
    """The secret with which a site's own server makes a userHash."""
    return _secret(source).decode()


def identity_hash(source: Source, user_id: str) -> str:
    """HMAC-SHA256(the source's secret, user id) in hexadecimal: proves that the site knows this visitor."""
    return hmac.new(_secret(source), user_id.encode(), "sha256").hexdigest()


def is_proven(source: Source, user_id: str, proof: str) -> bool:
    """Whether `proof` is the userHash of this id, compared in constant time."""
    return bool(proof) and hmac.compare_digest(
        force_bytes(identity_hash(source, user_id)), force_bytes(proof.strip().lower())
    )


def _secret(source: Source) -> bytes:
    if source.pk not in _secrets:
        _secrets[source.pk] = unseal(source.identity_secret, purpose="identity")
    return _secrets[source.pk]
