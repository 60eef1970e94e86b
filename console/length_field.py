"""A length of time in a form: a number and its unit, kept as a whole number of minutes, hours or seconds."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from unfold.widgets import INPUT_CLASSES, SELECT_CLASSES

from audiences.durations import UNITS, in_words, parts

ONE = {"minutes": UNITS["minute"], "hours": UNITS["hour"]}
LENGTHS = UNITS | {"week": dt.timedelta(weeks=1)}


def unit_choices(*units: str) -> list[tuple[str, str]]:
    return [(unit, f"{unit}s") for unit in units]


class LengthInput(forms.MultiWidget):
    """Two inputs side by side. `kept_in` says what the value counts."""

    def __init__(self, *, kept_in: str, units: tuple[str, ...]) -> None:
        self.one = ONE[kept_in]
        number = forms.NumberInput(
            {"class": " ".join([*INPUT_CLASSES, "hd-length"]), "min": 0, "aria-label": "How long"}
        )
        unit = forms.Select(
            {"class": " ".join([*SELECT_CLASSES, "hd-length-unit"]), "aria-label": "Unit"},
            unit_choices(*units),
        )
        super().__init__({"number": number, "unit": unit})
        self.units = units

    def decompress(self, value: int | None) -> list[Any]:
        if value is None:
            return [None, "day" if "day" in self.units else self.units[0]]
        number, unit = parts(value * self.one)
        return [number, unit if unit in self.units else self.units[0]]


class LengthField(forms.MultiValueField):
    """Its value is a whole number of `kept_in`, between `least` and `most` of them."""

    widget: LengthInput

    def __init__(
        self,
        *,
        kept_in: str,
        units: tuple[str, ...] = ("hour", "day", "week"),
        least: int = 1,
        most: int,
        **kwargs: Any,
    ) -> None:
        self.one, self.least, self.most = ONE[kept_in], least, most
        fields = (forms.IntegerField(), forms.ChoiceField(choices=unit_choices(*units)))
        super().__init__(
            fields,
            widget=LengthInput(kept_in=kept_in, units=units),
            error_messages={
                "required": "Say how long: a number and its unit.",
                "invalid": "Give a whole number, such as 7.",
            },
            require_all_fields=True,
            **kwargs,
        )

    def clean(self, value: Any) -> int:
        try:
            return int(super().clean(value))
        except forms.ValidationError as refused:
            # Both halves say what is wrong; once is enough.
            raise forms.ValidationError(refused.messages[0]) from None

    def compress(self, said: list[Any]) -> int:
        number, unit = said or (0, "hour")
        # As much as a timedelta holds of any unit, and far more than anything may last.
        kept = max(-1, min(number, 1_000_000)) * LENGTHS[unit] // self.one
        if kept < self.least:
            raise forms.ValidationError(f"At least {in_words(self.least * self.one)}.")
        if kept > self.most:
            raise forms.ValidationError(f"At most {in_words(self.most * self.one)}.")
        return kept
