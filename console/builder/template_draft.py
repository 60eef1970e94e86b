"""A message template while it is being written: what the form posts, as the model's fields."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from typing import Any

from audiences.durations import parts
from campaigns.app_options import OPTIONS
from campaigns.models import MessageTemplate
from console.builder import app_data
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
    values["data"] = app_data.read(_text(data, "data"))
    values["options"] = _options(data)
    return values


def _options(data: Mapping[str, str]) -> dict[str, Any]:
    """What is set for apps, typed; what is not of its type stays as it was typed, for the check to speak of."""
    found: dict[str, dict[str, Any]] = {}
    for platform, names in OPTIONS.items():
        for name in names:
            said = _text(data, f"{platform}-{name}")
            if said:
                found.setdefault(platform, {})[name] = TYPED.get((platform, name), str)(said)
    return found


def _number(said: str) -> int | float | str:
    try:
        number = float(said)
    except ValueError:
        return said
    return int(said) if said.isdecimal() and len(said) < 10 else number if math.isfinite(number) else said


TYPED: Mapping[tuple[str, str], Callable[[str], Any]] = {
    ("android", "badge"): _number,
    ("ios", "badge"): _number,
    ("ios", "relevance_score"): _number,
    ("ios", "mutable_content"): lambda said: said == "on",
}


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
        "data": template.data if isinstance(template.data, str) else app_data.lines(template.data or {}),
    }
