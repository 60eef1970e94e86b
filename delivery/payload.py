"""What a device gets: the web push payload, version 1."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from audiences.preference_links import link
from delivery.receipts import receipt_token

VERSION = 1


def new_push_ids(count: int) -> Iterator[str]:
    """UUIDs of version 7 (RFC 9562): rows written together lie together."""
    at = f"{int(time.time() * 1000):012x}"
    drawn = os.urandom(10 * count).hex()
    for start in range(0, 20 * count, 20):
        one = drawn[start : start + 20]
        yield f"{at[:8]}-{at[8:]}-7{one[:3]}-{'89ab'[int(one[3], 16) & 3]}{one[4:7]}-{one[7:19]}"


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
