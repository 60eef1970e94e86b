"""The stable hash that assigns arms and variants: the same in Python and in SQL, never drawn."""

from __future__ import annotations

from hashlib import sha256

BUCKETS = 10_000


def bucket(salt: str, profile_id: int) -> int:
    """The profile's bucket under this salt, 0–9999: `bucket("salt", 42)` is 3584."""
    return int(sha256(f"{salt}:{profile_id}".encode()).hexdigest()[:8], 16) % BUCKETS


def bucket_sql(profile_id: str) -> str:
    """The same as an SQL expression over the column `profile_id`, with the salt as its one parameter."""
    digest = f"encode(sha256(convert_to(%s || ':' || {profile_id}, 'UTF8')), 'hex')"
    return f"(('x' || substr({digest}, 1, 8))::bit(32)::bigint %% {BUCKETS})"
