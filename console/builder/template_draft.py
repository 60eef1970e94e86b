"""A message template while it is being written: what the form posts, as the model's fields."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from audiences.durations import parts
from campaigns.models import MessageTemplate
from console.length_field import LENGTHS

TEXTS = ("name", "title", "body", "url", "image", "icon", "badge", "collapse")
BUTTONS = (1, 2)
TTL_UNITS = ("second", "minute", "hour", "day", "week")


def read(data: Mapping[str, str]) -> dict[str, Any]:
    """The form's values by the model's field names. A button without title and link is none."""
    values: dict[str, Any] = {name: _text(data, name) for name in TEXTS}
    buttons = [
        {
            "action": f"button{n}",
            "title": _text(data, f"button{n}-title"),
            "url": _text(data, f"button{n}-url"),
        }
        for n in BUTTONS
    ]
    values["actions"] = [button for button in buttons if button["title"] or button["url"]]
    number, unit = data.get("ttl_number", "1").strip(), data.get("ttl_unit", "day")
    fits = number.isdecimal() and len(number) < 7 and unit in TTL_UNITS
    values["ttl_seconds"] = int(number) * LENGTHS[unit] // LENGTHS["second"] if fits else -1
    values["urgency"] = data.get("urgency", MessageTemplate.Urgency.NORMAL)
    values["must_arrive"] = "must_arrive" in data
    return values


def _text(data: Mapping[str, str], name: str) -> str:
    return data.get(name, "").replace("\0", "").strip()


def settle(template: MessageTemplate, values: Mapping[str, Any]) -> MessageTemplate:
    """Put the values into the template, unsaved."""
    for name, value in values.items():
        setattr(template, name, value)
    return template


def shown(template: MessageTemplate) -> dict[str, Any]:
    """What the form's inputs hold."""
    buttons = [*(template.actions or []), {}, {}][:2]
    number, unit = parts(dt.timedelta(seconds=template.ttl_seconds))
    return {
        **{name: getattr(template, name) for name in TEXTS},
        "buttons": [
            {"key": f"button{n}", "number": n, "title": b.get("title", ""), "url": b.get("url", "")}
            for n, b in zip(BUTTONS, buttons, strict=True)
        ],
        "ttl_number": number,
        "ttl_unit": unit,
        "urgency": template.urgency,
        "must_arrive": template.must_arrive,
    }
