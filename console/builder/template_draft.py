"""A message template while it is being written: what the form posts, as the model's fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from campaigns.models import MessageTemplate

TEXTS = ("name", "title", "body", "url", "image", "icon", "badge", "collapse")
BUTTONS = (1, 2)
HOUR = 3600


def read(data: Mapping[str, str]) -> dict[str, Any]:
    """The form's values by the model's field names. A button without title and link is none."""
    values: dict[str, Any] = {name: data.get(name, "").strip() for name in TEXTS}
    buttons = [
        {
            "action": f"button{n}",
            "title": data.get(f"button{n}-title", "").strip(),
            "url": data.get(f"button{n}-url", "").strip(),
        }
        for n in BUTTONS
    ]
    values["actions"] = [button for button in buttons if button["title"] or button["url"]]
    hours = data.get("ttl_hours", "24").strip()
    values["ttl_seconds"] = int(float(hours) * HOUR) if hours.replace(".", "", 1).isdigit() and len(hours) < 8 else -1
    values["urgency"] = data.get("urgency", MessageTemplate.Urgency.NORMAL)
    values["must_arrive"] = "must_arrive" in data
    return values


def settle(template: MessageTemplate, values: Mapping[str, Any]) -> MessageTemplate:
    """Put the values into the template, unsaved."""
    for name, value in values.items():
        setattr(template, name, value)
    return template


def shown(template: MessageTemplate) -> dict[str, Any]:
    """What the form's inputs hold."""
    buttons = [*(template.actions or []), {}, {}][:2]
    return {
        **{name: getattr(template, name) for name in TEXTS},
        "buttons": [
            {"key": f"button{n}", "number": n, "title": b.get("title", ""), "url": b.get("url", "")}
            for n, b in zip(BUTTONS, buttons, strict=True)
        ],
        "ttl_hours": f"{template.ttl_seconds / HOUR:g}",
        "urgency": template.urgency,
        "must_arrive": template.must_arrive,
    }
