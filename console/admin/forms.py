"""What forms of settings have in common: a tick instead of a moment."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils import timezone


class TickedMomentsForm(forms.ModelForm):
    """Asks whether, and keeps since when: each tick in `ticks` stands for a nullable moment of the model."""

    ticks: ClassVar[dict[str, str]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for tick, moment in self.ticks.items():
            if tick in self.fields:
                self.initial[tick] = getattr(self.instance, moment) is not None

    def save(self, commit: bool = True) -> Any:
        for tick, moment in self.ticks.items():
            if tick in self.cleaned_data and self.cleaned_data[tick] != bool(getattr(self.instance, moment)):
                setattr(self.instance, moment, timezone.now() if self.cleaned_data[tick] else None)
        return super().save(commit)
