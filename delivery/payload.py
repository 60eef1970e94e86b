"""What a device gets: the web push payload, version 1."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Mapping
from typing import Any

from audiences.preference_links import link
from delivery.receipts import receipt_token

VERSION = 1


def new_push_id() -> str:
    """A UUID of version 7 (RFC 9562): rows written together lie together."""
    drawn = os.urandom(10)
    last = f"{drawn[2] & 0x3F | 0x80:02x}{drawn[3:].hex()}"
    said = f"{int(time.time() * 1000):012x}7{drawn[:2].hex()[1:]}{last}"
    return f"{said[:8]}-{said[8:12]}-{said[12:16]}-{said[16:20]}-{said[20:]}"


def payload(
    fields: Mapping[str, Any], *, push_id: str, wave_on: dt.date, profile_id: int, now: dt.datetime
) -> dict[str, Any]:
    """The content with what the device needs to answer, and the person's way to their choices."""
    return {
        "v": VERSION,
        "push": push_id,
        "receipt": receipt_token(push_id, wave_on),
        **fields,
        "manage": link(profile_id, now=now),
    }
