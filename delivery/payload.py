"""What a device gets: the web push payload, version 1."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from audiences.preference_links import link
from delivery.receipts import receipt_token

VERSION = 1


def new_push_id() -> UUID:
    """A UUID of version 7 (RFC 9562): rows written together lie together."""
    value = int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10)
    number = int.from_bytes(value, "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    return UUID(int=number & ~(0x3 << 62) | 0x2 << 62)


def payload(
    fields: Mapping[str, Any], *, push_id: UUID, wave_on: dt.date, profile_id: int, now: dt.datetime
) -> dict[str, Any]:
    """The content with what the device needs to answer, and the person's way to their choices."""
    return {
        "v": VERSION,
        "push": str(push_id),
        "receipt": receipt_token(push_id, wave_on),
        **fields,
        "manage": link(profile_id, now=now),
    }
