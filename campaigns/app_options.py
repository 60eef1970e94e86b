"""What only apps know of a push: what a marketer may set for Android and iOS. Imports no Django.

`{"android": {…}, "ios": {…}}`; what is not set is left out. Texts that hold Liquid are named in LIQUID.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

LIQUID = (("ios", "subtitle"),)
INTERRUPTION_LEVELS = ("passive", "active", "time-sensitive", "critical")
PRIORITIES = ("high", "normal", "low", "very-low")
LARGEST_BADGE = 99_999

_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
_SOUND = re.compile(r"[A-Za-z0-9_.\- ]{1,64}")
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")

Check = Callable[[Any], str]
"""What is wrong with a value, or nothing."""


def problems(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(field, what to change) of everything that is wrong; a field is called “ios.badge”."""
    for platform, given in options.items():
        known = OPTIONS.get(platform)
        if known is None or not isinstance(given, Mapping):
            yield platform, "Give an object under android or ios."
            continue
        for name, value in given.items():
            if name not in known:
                yield f"{platform}.{name}", f"There is no such option: {', '.join(known)} are known."
            elif why := known[name](value):
                yield f"{platform}.{name}", why


def texts(options: Mapping[str, Any]) -> dict[str, str]:
    """The options that hold Liquid, by their field's name."""
    return {
        f"{platform}.{name}": str(options[platform][name])
        for platform, name in LIQUID
        if isinstance(options.get(platform), Mapping) and options[platform].get(name)
    }


def filled(options: Mapping[str, Any], said: Mapping[str, str]) -> Mapping[str, Any]:
    """The options with their Liquid filled in; what came out empty is left out."""
    for platform, name in LIQUID:
        field = f"{platform}.{name}"
        if field in said:
            rest = {key: value for key, value in options[platform].items() if key != name}
            text = " ".join(said[field].split())
            options = {**options, platform: rest | ({name: text} if text else {})}
    return options


def _matches(pattern: re.Pattern[str], why: str) -> Check:
    return lambda value: "" if isinstance(value, str) and pattern.fullmatch(value) else why


def _one_of(*known: str) -> Check:
    return lambda value: "" if value in known else f"Choose one of {', '.join(known)}."


def _text(value: Any) -> str:
    return "" if isinstance(value, str) and len(value) <= 500 else "Give text of at most 500 characters."


def _number(least: int, meaning: str = "") -> Check:
    why = f"Give a whole number from {least}{meaning} to {LARGEST_BADGE:,}."

    def check(value: Any) -> str:
        fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST_BADGE
        return "" if fits else why

    return check


def _share(value: Any) -> str:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
    return "" if fits else "Give a number from 0 to 1, such as 0.8."


def _switch(value: Any) -> str:
    return "" if isinstance(value, bool) else "Give true or false."


_name = _matches(_NAME, "Give its name, at most 100 characters.")
_sound = _matches(_SOUND, "Give default, or the name of a sound file in your app, such as chime.wav.")
OPTIONS: Mapping[str, Mapping[str, Check]] = {
    "android": {
        "channel": _name,
        "sound": _sound,
        "badge": _number(1),
        "color": _matches(_COLOR, "Give a colour as # and six digits, such as #0b6470."),
        "priority": _one_of(*PRIORITIES),
    },
    "ios": {
        "subtitle": _text,
        "sound": _sound,
        "badge": _number(0, " (takes it away)"),
        "category": _name,
        "thread": _name,
        "interruption_level": _one_of(*INTERRUPTION_LEVELS),
        "relevance_score": _share,
        "mutable_content": _switch,
        "priority": _one_of(*PRIORITIES),
    },
}
"""Platform → option → its check. FCM's and Apple's own names of them stand with the gateways."""
