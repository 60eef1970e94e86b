"""From what a marketer wrote and what is known of a profile to what is pushed. Imports no Django."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from liquid.exceptions import LiquidError, UndefinedError

from campaigns import app_options
from campaigns.liquid.compile import Render, quickest
from campaigns.liquid.environment import parse
from campaigns.liquid.fields import is_dynamic, last_events
from campaigns.liquid.tree import Refused
from delivery import links
from delivery.limits import LARGEST

TEXTS = ("title", "body", "url", "image", "icon", "badge", "tag")
LINKS = ("url", "image", "icon", "badge")


class Content(msgspec.Struct, frozen=True):
    """What one profile is shown. Empty strings and collections stand for "none"."""

    title: str
    body: str = ""
    url: str = ""
    image: str = ""
    icon: str = ""
    badge: str = ""
    actions: tuple[Mapping[str, str], ...] = ()
    tag: str = ""
    data: Mapping[str, Any] = {}
    ttl_seconds: int = 86_400
    urgency: str = "normal"
    options: Mapping[str, Any] = {}
    used_fallback: bool = False


class Unrenderable(msgspec.Struct, frozen=True):
    """Why there is nothing to show. `reason` is missing_value, empty, too_long, link_not_allowed or unrenderable;
    `field` is one of written(); `detail` is for a marketer."""

    reason: str
    field: str
    detail: str


class _Held(Exception):
    def __init__(self, reason: str, field: str, detail: str) -> None:
        self.answer = Unrenderable(reason, field, detail)


def written(fields: Mapping[str, Any]) -> dict[str, str]:
    """The Liquid of a message template by field: title, body, …, "button 1 title", "button 1 link", "data.name",
    "ios.subtitle"."""
    texts = {name: str(fields.get(name) or "") for name in TEXTS if name != "tag"}
    texts["tag"] = str(fields.get("tag") or fields.get("collapse") or "")
    for number, button in enumerate(fields.get("actions") or [], 1):
        texts[f"button {number} title"] = str(button.get("title") or "")
        texts[f"button {number} link"] = str(button.get("url") or "")
    _data_texts("data", fields.get("data") or {}, texts)
    return texts | app_options.texts(fields.get("options") or {})


def _data_texts(name: str, value: Any, texts: dict[str, str]) -> None:
    if isinstance(value, str):
        texts[name] = value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _data_texts(f"{name}.{key}", inner, texts)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            _data_texts(f"{name}.{index}", inner, texts)


class Compiled:
    """A message template that was parsed once. Safe to keep for the life of a worker, and to share between threads."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = dict(fields)
        self._fixed: dict[str, str] = {}
        self._dynamic: list[tuple[str, Render]] = []
        self._broken: Unrenderable | None = None
        self._same: Content | Unrenderable | None = None
        self.last_events: set[str] = set()
        for name, source in written(fields).items():
            try:
                self._add(name, source)
            except Refused as refused:
                self._broken = Unrenderable("unrenderable", name, str(refused))
            except _FAULTS as error:
                self._broken = Unrenderable("unrenderable", name, _words(error))
        self.is_static = not self._dynamic
        if self.is_static:
            self._same = self._render({})

    def _add(self, name: str, source: str) -> None:
        if "{{" not in source and "{%" not in source:
            self._fixed[name] = source
            return
        render = quickest(parse(source))
        self.last_events |= last_events(source)
        if is_dynamic(source):
            self._dynamic.append((name, render))
        else:
            self._fixed[name] = render({})[0]

    def render(self, context: Mapping[str, Any]) -> Content | Unrenderable:
        """The content for one profile: plain dicts in, never an exception out. A template that reads nothing
        renders once."""
        return self._same or self._render(context)

    def _render(self, context: Mapping[str, Any]) -> Content | Unrenderable:
        if self._broken:
            return self._broken
        texts = self._fixed.copy()
        used_fallback = False
        name = ""
        try:
            for name, render in self._dynamic:
                texts[name], fell_back = render(context)
                used_fallback = used_fallback or fell_back
            return self._assembled(texts, context, used_fallback)
        except UndefinedError as error:
            return Unrenderable("missing_value", name, _words(error))
        except _Held as held:
            return held.answer
        except _FAULTS as error:
            return Unrenderable("unrenderable", name, _words(error))

    def _assembled(self, texts: dict[str, str], context: Mapping[str, Any], used_fallback: bool) -> Content:
        fields = self._fields
        title, body = " ".join(texts["title"].split()), texts["body"].strip()
        if not title:
            raise _Held("empty", "title", "Nothing is left of the title.")
        if not body and fields.get("body"):
            raise _Held("empty", "body", "Nothing is left of the text.")
        site = context.get("site")
        site_url = site.get("url", "") if isinstance(site, dict) else ""
        url, image, icon, badge = [texts[name] and _link(name, texts[name].strip(), site_url) for name in LINKS]
        content = Content(
            title=title,
            body=body,
            url=url,
            image=image,
            icon=icon,
            badge=badge,
            actions=tuple(self._buttons(texts, site_url)),
            tag=texts["tag"].strip(),
            data=_filled("data", fields["data"], texts) if fields.get("data") else {},
            ttl_seconds=fields.get("ttl_seconds", 86_400),
            urgency=fields.get("urgency", "normal"),
            options=app_options.filled(fields["options"], texts) if fields.get("options") else {},
            used_fallback=used_fallback,
        )
        _fits(content)
        return content

    def _buttons(self, texts: dict[str, str], site_url: str) -> list[Mapping[str, str]]:
        buttons: list[Mapping[str, str]] = []
        for number, button in enumerate(self._fields.get("actions") or [], 1):
            title = texts[f"button {number} title"].strip()
            if not title:
                raise _Held("empty", f"button {number} title", "A button has no words on it.")
            link = _link(f"button {number} link", texts[f"button {number} link"].strip(), site_url)
            buttons.append({"action": str(button.get("action") or f"button-{number}"), "title": title, "url": link})
        return buttons


# What bad data can raise inside a filter. Nothing else is caught: a fault of ours must be seen.
_FAULTS = (LiquidError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError)


def compile_template(content: Mapping[str, Any]) -> Compiled:
    """Parse and compile once; render many times. `content` holds title, body, url, image, icon, badge, tag or
    collapse, actions (a list of {title, url}), data, ttl_seconds, urgency, options (app_options.py). What cannot be
    parsed renders as Unrenderable, for everyone."""
    return Compiled(content)


def render_batch(
    compiled: Compiled, contexts: Sequence[Mapping[str, Any]], *, beat: Callable[[], None] | None = None
) -> list[Content | Unrenderable]:
    """One result for each context, in order. `beat` is called after each thousand, to keep a lease."""
    results = []
    for number, context in enumerate(contexts, 1):
        results.append(compiled.render(context))
        if beat and number % 1_000 == 0:
            beat()
    return results


_why_not = lru_cache(maxsize=1024)(links.why_not)


def _link(name: str, link: str, site_url: str) -> str:
    if link and (why := _why_not(link, site_url=site_url)):
        raise _Held("link_not_allowed", name, why)
    return link


def _filled(name: str, value: Any, texts: dict[str, str]) -> Any:
    if isinstance(value, str):
        return texts[name]
    if isinstance(value, Mapping):
        return {key: _filled(f"{name}.{key}", inner, texts) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_filled(f"{name}.{index}", inner, texts) for index, inner in enumerate(value)]
    return value


def _fits(content: Content) -> None:
    if (size := len(msgspec.json.encode(content))) > LARGEST:
        longest = max(TEXTS, key=lambda name: len(getattr(content, name)))
        raise _Held("too_long", longest, f"The message has {size:,} bytes; a push takes {LARGEST:,}.")


def _words(error: Exception) -> str:
    if isinstance(error, LiquidError):
        return str(error.message)
    if isinstance(error, RecursionError):
        return "this is nested too deeply"
    return f"a value does not fit: {error}"
