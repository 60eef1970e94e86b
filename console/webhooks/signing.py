"""How a receiver knows that a post is ours, and fresh: HMAC-SHA256 over its time and body."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence

HEADER = "Heed-Signature"
PREFIX = "whsec_"


def new_secret() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def signature(body: bytes, *, keys: Sequence[str], at: int) -> str:
    """`t=<Unix time>,v1=<hex>`, with one v1 for each secret that holds now."""
    macs = [hmac.new(key.encode(), f"{at}.".encode() + body, "sha256").hexdigest() for key in keys]
    return ",".join([f"t={at}", *(f"v1={mac}" for mac in macs)])
