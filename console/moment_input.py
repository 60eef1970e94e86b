"""A day, an hour and a minute, asked as the clock on the wall shows them."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import INPUT_CLASSES, SELECT_CLASSES

MOMENT_FORMATS = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]
OFFERED = frozenset(f"{minute:02}" for minute in range(60) if 3 <= minute % 15 <= 12)
"""Minutes that lie well outside FCM's quiet around the quarter hours."""


class MinuteSelect(forms.Select):
    """All minutes of the hour; those near a quarter hour show only where the page's `exact` is true, or chosen already."""

    def create_option(
        self, name: str, value: Any, label: Any, selected: Any, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        option: dict[str, Any] = super().create_option(name, value, label, selected, *args, **kwargs)
        if value not in OFFERED and not selected:
            option["attrs"] |= {"x-bind:hidden": "!exact", "x-bind:disabled": "!exact"}
        return option


class MomentInput(forms.MultiWidget):
    """Its value is a text such as 2026-12-24T09:03, or nothing where no day is given."""

    def __init__(self) -> None:
        day = forms.DateInput({"class": " ".join([*INPUT_CLASSES, "hd-day"]), "aria-label": "Day"})
        day.input_type = "date"
        parts = {"class": " ".join([*SELECT_CLASSES, "hd-clock"])}
        hour = forms.Select(parts | {"aria-label": "Hour"}, [(f"{n:02}", f"{n:02}") for n in range(24)])
        minute = MinuteSelect(parts | {"aria-label": "Minute"}, [(f"{n:02}", f"{n:02}") for n in range(60)])
        super().__init__({"day": day, "hour": hour, "minute": minute})

    def id_for_label(self, id_: str) -> str:
        return f"{id_}_0"

    def decompress(self, value: Any) -> list[str]:
        if not value:
            return ["", "09", "03"]
        day, _, time = str(value).replace(" ", "T").partition("T")
        return [day, *time.split(":")[:2]]

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        if name in data:
            return str(data[name])
        day, hour, minute = super().value_from_datadict(data, files, name)
        return f"{day}T{hour}:{minute}" if day else ""

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return name not in data and super().value_omitted_from_data(data, files, name)
