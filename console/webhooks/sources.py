"""Where events come from: five tables, each read in the order of the database's own moments.

Each statement gives rows after a place and before a moment: (moment, row, …). The event's id is made of what it speaks
of, so that it is the same whenever the row is read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from delivery.message_ids import public_id
from delivery.models import Wave


@dataclass(frozen=True, slots=True)
class Event:
    """Only ids and codes: no content, no attribute. `recorded_at` orders it; `at` is when it happened."""

    id: str
    kind: str
    at: dt.datetime
    recorded_at: dt.datetime
    data: dict[str, Any]

    def shown(self) -> dict[str, Any]:
        at = self.at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
        return {"id": self.id, "type": self.kind, "at": at, "data": self.data}


@dataclass(frozen=True, slots=True)
class Source:
    """`statement` takes after_at, after_row, until, most; `kinds` are what `read` can make of its rows."""

    name: str
    kinds: frozenset[str]
    statement: str
    read: Callable[[Sequence[Any]], Event | None]


def _event(
    subject: str, key: object, kind: str, at: dt.datetime, recorded_at: dt.datetime, data: dict[str, Any]
) -> Event:
    name = sha256(f"{subject}:{key}".encode()).hexdigest()[:32]
    return Event(f"evt_{name}", kind, at, recorded_at, data)


def _whence(origin: str, send: Any) -> dict[str, Any]:
    campaign = int(origin[9:]) if origin.startswith("campaign:") else None
    return {"campaign": campaign, "send": str(send) if send else None}


STATES = {
    "sent": "message.sent",
    "unknown": "message.failed",
    "rejected": "message.failed",
    "dropped": "message.failed",
    "suppressed": "message.held_back",
    "expired": "message.held_back",
    "held_out": "message.held_back",
}

# A message ends at most a month after its wave's first day, which keeps older partitions out.
_MESSAGES = f"""
SELECT m.finished_at, m.id, m.wave_on, m.state, m.reason, coalesce(v.external_id, p.external_id), w.origin, s.public_id,
       w.message_class, t.key
FROM delivery_message m
     JOIN delivery_wave w ON w.id = m.wave_id
     JOIN audiences_profile p ON p.id = m.profile_id
     LEFT JOIN audiences_profile v ON v.id = p.merged_into_id
     LEFT JOIN delivery_send s ON w.origin = '{Wave.SEND_API}' AND s.id = m.occurrence
     LEFT JOIN audiences_topic t ON t.id = w.topic_id
WHERE (m.finished_at, m.id) > (%(after_at)s, %(after_row)s) AND m.finished_at < %(until)s
  AND m.wave_on > %(after_at)s::date - 62
ORDER BY m.finished_at, m.id LIMIT %(most)s
"""


def _message(row: Sequence[Any]) -> Event | None:
    finished_at, pk, wave_on, state, reason, external_id, origin, send, message_class, topic = row
    data = {
        "message": public_id(pk, wave_on),
        "external_id": external_id,
        **_whence(origin, send),
        "class": message_class,
        "topic": topic,
        "state": state,
        "reason": reason or None,
    }
    # A message that is brought back ends twice: those are two events.
    key = f"{pk}:{finished_at.isoformat()}"
    return _event("message", key, STATES[state], finished_at, finished_at, data)


RECEIPTS = {
    "shown": "message.delivered",
    "opened": "message.opened",
    "clicked": "message.clicked",
    "dismissed": "message.dismissed",
}

_RECEIPTS = f"""
SELECT r.recorded_at, r.id, r.kind, r.at, r.push_id, r.message_id, r.wave_on, d.public_id, d.gateway,
       coalesce(v.external_id, p.external_id), w.origin, s.public_id
FROM delivery_receipt r
     JOIN delivery_message m ON m.id = r.message_id AND m.wave_on = r.wave_on
     JOIN delivery_wave w ON w.id = m.wave_id
     LEFT JOIN audiences_device d ON d.id = r.device_id
     LEFT JOIN audiences_profile p ON p.id = r.profile_id
     LEFT JOIN audiences_profile v ON v.id = p.merged_into_id
     LEFT JOIN delivery_send s ON w.origin = '{Wave.SEND_API}' AND s.id = m.occurrence
WHERE (r.recorded_at, r.id) > (%(after_at)s, %(after_row)s) AND r.recorded_at < %(until)s
ORDER BY r.recorded_at, r.id LIMIT %(most)s
"""


def _receipt(row: Sequence[Any]) -> Event | None:
    recorded_at, _, kind, at, push, message, wave_on, device, gateway, external_id, origin, send = row
    if kind not in RECEIPTS:
        return None
    data = {
        "message": public_id(message, wave_on),
        "push": str(push),
        "device": str(device) if device else None,
        "gateway": gateway,
        "external_id": external_id,
        **_whence(origin, send),
    }
    return _event("receipt", f"{push}:{kind}", RECEIPTS[kind], at, recorded_at, data)


_CHOICES = """
SELECT c.recorded_at, c.id, c.at, c.decision, coalesce(v.external_id, p.external_id), t.key, c.source
FROM audiences_consententry c
     JOIN audiences_profile p ON p.id = c.profile_id
     LEFT JOIN audiences_profile v ON v.id = p.merged_into_id
     LEFT JOIN audiences_topic t ON t.id = c.topic_id
WHERE (c.recorded_at, c.id) > (%(after_at)s, %(after_row)s) AND c.recorded_at < %(until)s
ORDER BY c.recorded_at, c.id LIMIT %(most)s
"""


def _choice(row: Sequence[Any]) -> Event | None:
    recorded_at, pk, at, decision, external_id, topic, source = row
    kind = f"choice.opted_{decision}"
    data = {"entry": pk, "external_id": external_id, "topic": topic, "source": source}
    return _event("choice", pk, kind, at, recorded_at, data)


# The words for why are those of the gates (delivery/gates/facts.py).
_DEVICES = """
SELECT d.changed_at, d.id, d.public_id, d.gateway, d.platform, coalesce(v.external_id, p.external_id),
       CASE WHEN d.detached_at IS NOT NULL THEN 'logged_out'
            WHEN d.quarantine_reason = 'stale' AND d.quarantined_at IS NOT NULL THEN 'address_stale'
            WHEN d.quarantined_at IS NOT NULL THEN 'address_dead'
            WHEN d.needs_resubscribe_at IS NOT NULL THEN 'needs_resubscribe'
            WHEN d.permission NOT IN ('granted', 'provisional') THEN 'no_permission' ELSE '' END
FROM audiences_device d
     JOIN audiences_profile p ON p.id = d.profile_id
     LEFT JOIN audiences_profile v ON v.id = p.merged_into_id
WHERE (d.changed_at, d.id) > (%(after_at)s, %(after_row)s) AND d.changed_at < %(until)s
ORDER BY d.changed_at, d.id LIMIT %(most)s
"""


def _device(row: Sequence[Any]) -> Event | None:
    changed_at, _, device, gateway, platform, external_id, why = row
    data = {"device": str(device), "gateway": gateway, "platform": platform, "external_id": external_id}
    if why:
        data["reason"] = why
    kind = "device.unreachable" if why else "device.registered"
    return _event("device", f"{device}:{changed_at.isoformat()}", kind, changed_at, changed_at, data)


_CAMPAIGNS = """
SELECT w.finished_at, w.id, w.origin, w.state, w.planned_count FROM delivery_wave w
WHERE w.origin LIKE 'campaign:%%'
  AND (w.finished_at, w.id) > (%(after_at)s, %(after_row)s) AND w.finished_at < %(until)s
ORDER BY w.finished_at, w.id LIMIT %(most)s
"""


def _campaign(row: Sequence[Any]) -> Event | None:
    finished_at, pk, origin, state, planned = row
    data = {"campaign": int(origin[9:]), "state": state, "planned": planned}
    return _event("wave", pk, "campaign.finished", finished_at, finished_at, data)


SOURCES = (
    Source("messages", frozenset(STATES.values()), _MESSAGES, _message),
    Source("receipts", frozenset(RECEIPTS.values()), _RECEIPTS, _receipt),
    Source("choices", frozenset({"choice.opted_in", "choice.opted_out"}), _CHOICES, _choice),
    Source("devices", frozenset({"device.registered", "device.unreachable"}), _DEVICES, _device),
    Source("campaigns", frozenset({"campaign.finished"}), _CAMPAIGNS, _campaign),
)
