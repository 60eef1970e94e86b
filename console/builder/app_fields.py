"""The fields of the template editor's section “Apps”: what each asks, in a marketer's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.content import Problem

Choices = tuple[tuple[str, str], ...]
ANDROID_PRIORITIES: Choices = (
    ("", "as its urgency says"),
    ("high", "high: at once, even if the phone sleeps"),
    ("normal", "normal: a sleeping phone may get it later"),
)
IOS_PRIORITIES: Choices = (
    ("", "as its urgency says"),
    ("high", "high: at once"),
    ("low", "low: with an eye on the battery"),
    ("very-low", "very low: only while the phone is awake anyway"),
)
LEVELS: Choices = (
    ("", "active, as usual"),
    ("passive", "passive: no sound, the screen stays dark"),
    ("active", "active"),
    ("time-sensitive", "time sensitive: shown in a Focus, too"),
    ("critical", "critical: even when silenced; Apple must allow it"),
)
PLATFORMS = {"android": "Android", "ios": "iOS"}


@dataclass(frozen=True, slots=True)
class AppField:
    """`kind`: text, liquid, switch, or a select where there are `choices`. `brief` is for where `label` is too long."""

    platform: str
    name: str
    label: str
    help: str = ""
    kind: str = "text"
    placeholder: str = "optional"
    choices: Choices = ()
    brief: str = ""

    @property
    def key(self) -> str:
        return f"{self.platform}-{self.name}"


FIELDS = (
    AppField("android", "channel", "Channel", "The id of a channel that your app has made; people can mute each."),
    AppField("android", "sound", "Sound", "default, or a file in the app. A channel's own sound comes first."),
    AppField("android", "color", "Colour", "Of the small icon and the app's name.", placeholder="#0b6470"),
    AppField(
        "android",
        "badge",
        "Number on the app's icon",
        "How many items it stands for, where the launcher shows numbers.",
    ),
    AppField("android", "priority", "Priority", choices=ANDROID_PRIORITIES),
    AppField("ios", "subtitle", "Subtitle", "A second line under the title, such as the topic.", kind="liquid"),
    AppField("ios", "sound", "Sound", "default, or a file in the app. Empty: silent."),
    AppField("ios", "badge", "Number on the app's icon", "0 takes it away.", placeholder="unchanged"),
    AppField("ios", "category", "Category", "Which of the app's sets of buttons is shown."),
    AppField("ios", "thread", "Thread", "Pushes of one thread are stacked together."),
    AppField("ios", "interruption_level", "Interruption level", choices=LEVELS),
    AppField("ios", "relevance_score", "Relevance, 0 to 1", "The highest comes first in the summary."),
    AppField("ios", "priority", "Priority", choices=IOS_PRIORITIES),
    AppField(
        "ios",
        "mutable_content",
        "Mutable content: your app may change it before it is shown (set by itself with a picture)",
        kind="switch",
        brief="Mutable content",
    ),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A field with what it holds and what is wrong with it."""

    field: AppField
    value: Any
    problems: Sequence[Problem]


def shown(options: Mapping[str, Any], problems: Mapping[str, Sequence[Problem]]) -> dict[str, list[Shown]]:
    """The fields of each platform."""
    found: dict[str, list[Shown]] = {"android": [], "ios": []}
    for field in FIELDS:
        value = (options.get(field.platform) or {}).get(field.name, "")
        found[field.platform].append(Shown(field, value, problems.get(field.key, ())))
    return found


def told(options: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """(platform, what is set for it) in words, for whoever looks at a preview."""
    found: dict[str, list[str]] = {}
    for field in FIELDS:
        value = (options.get(field.platform) or {}).get(field.name, "")
        if value != "":
            said = "" if value is True else f": {value}"
            found.setdefault(PLATFORMS[field.platform], []).append(f"{field.brief or field.label}{said}")
    return list(found.items())
