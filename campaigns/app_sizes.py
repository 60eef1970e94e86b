"""How large a push to an app is: exactly as its gateway would send it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from campaigns.rendering import Content
from delivery.gateways import apns, fcm
from delivery.gateways.base import Letter
from delivery.payload import new_push_ids, payload

LARGEST = min(fcm.LARGEST_PAYLOAD, apns.LARGEST_PAYLOAD)
SHOWN = ("title", "body", "url", "image", "icon", "badge", "actions", "tag", "data")
SOMEBODY = 10**9


def sizes(content: Content, *, profile_id: int = SOMEBODY, now: dt.datetime) -> dict[str, int]:
    """Bytes by platform, of which LARGEST are taken."""
    fields = fields_of(content)
    letter = Letter(
        address="",
        payload=payload(fields, push_id=next(new_push_ids(1)), wave_on=now.date(), profile_id=profile_id, now=now),
        ttl_seconds=content.ttl_seconds,
        urgency=content.urgency,
        options=content.options,
    )
    return {"Android": len(fcm.message(letter)), "iPhone": len(apns.notification(letter))}


def fields_of(content: Content) -> dict[str, Any]:
    """What of the content is in a push's payload."""
    return {name: value for name in SHOWN if (value := getattr(content, name))}
