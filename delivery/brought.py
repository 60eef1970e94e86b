"""Content that a program brings along with its send: checked when it comes, pushed as it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from delivery import links
from delivery.content import Rendered, Rendering, Unrenderable, collapse_key
from delivery.limits import LARGEST, LONGEST_TTL, MOST_BUTTONS, URGENCIES
from delivery.models import Wave

SOURCE = "content"
"""The name under which this is registered: what a submission gives as its content source."""

TEXTS = {"title": 500, "body": 4_000, "tag": 64}
LINKS = ("url", "image", "icon", "badge")
FIELDS = (*TEXTS, *LINKS, "actions", "data")
DAY = 86_400


class InvalidContent(ValueError):
    """`field` is where it is wrong, as a path such as actions/0/url; the message says what to change."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def checked(content: Mapping[str, Any], *, site_url: str = "") -> dict[str, Any]:
    """The content with its empty fields left out, or InvalidContent. Checked like a template's: a title, allowed
    links, at most LARGEST bytes.

    Known are title, body, url, image, icon, badge, tag, actions ([{title, url, action}]), data, ttl_seconds, urgency.
    """
    known = {*FIELDS, "ttl_seconds", "urgency"}
    if unknown := sorted(set(content) - known):
        raise InvalidContent(unknown[0], f"There is no field {unknown[0]} here.")
    for name, most in TEXTS.items():
        _text(name, content.get(name), most)
    for name in LINKS:
        _link(name, content.get(name), site_url)
    if not str(content.get("title") or "").strip():
        raise InvalidContent("title", "Write a title.")
    if not isinstance(content.get("data") or {}, Mapping):
        raise InvalidContent("data", "Give an object.")
    ttl = content.get("ttl_seconds", DAY)
    if isinstance(ttl, bool) or not isinstance(ttl, int) or not 0 <= ttl <= LONGEST_TTL:
        raise InvalidContent("ttl_seconds", f"Give between 0 and {LONGEST_TTL:,} seconds (28 days).")
    if content.get("urgency", "normal") not in URGENCIES:
        raise InvalidContent("urgency", f"Give one of {', '.join(URGENCIES)}.")
    found = {**content, "actions": list(_buttons(content.get("actions"), site_url))}
    found = {name: value for name, value in found.items() if value or name == "ttl_seconds"}
    if (size := len(msgspec.json.encode(found))) > LARGEST:
        longest = max((name for name in found if name in FIELDS), key=lambda name: len(str(found[name])))
        raise InvalidContent(longest, f"The message has {size:,} bytes; a push takes {LARGEST:,}.")
    return found


def _text(name: str, text: Any, most: int) -> None:
    if text is not None and not isinstance(text, str):
        raise InvalidContent(name, "Give text.")
    if len(text or "") > most:
        raise InvalidContent(name, f"Give {most:,} characters at most.")


def _link(name: str, link: Any, site_url: str) -> None:
    _text(name, link, links.LONGEST)
    if link and (why := links.why_not(link, site_url=site_url)):
        raise InvalidContent(name, why)


def _buttons(said: Any, site_url: str) -> Iterator[dict[str, str]]:
    if (said and not isinstance(said, Sequence)) or isinstance(said, str):
        raise InvalidContent("actions", "Give a list of buttons: {title, url}.")
    if len(said or ()) > MOST_BUTTONS:
        raise InvalidContent("actions", f"Browsers show at most {MOST_BUTTONS} buttons.")
    for number, button in enumerate(said or ()):
        path = f"actions/{number}"
        if not isinstance(button, Mapping) or set(button) - {"title", "url", "action"}:
            raise InvalidContent(path, "Give a button as {title, url}, and action if you want a name for it.")
        for name in ("title", "action"):
            _text(f"{path}/{name}", button.get(name), 64)
        if not str(button.get("title") or "").strip():
            raise InvalidContent(f"{path}/title", "Write what the button says.")
        _link(f"{path}/url", button.get("url"), site_url)
        yield {
            "action": button.get("action") or f"button-{number + 1}",
            "title": button["title"],
            "url": button.get("url") or "",
        }


class Brought:
    """The content source of messages that carry their content in `data`: {"content": {…}, "options": {…}}."""

    def render(self, wave: Wave, batch: Sequence[Rendering], *, now: dt.datetime) -> list[Rendered | Unrenderable]:
        """One result for each of the batch, without any query."""
        return [_rendered(one.data or {}) for one in batch]


def _rendered(data: Mapping[str, Any]) -> Rendered | Unrenderable:
    content = data.get("content") or {}
    fields = {name: content[name] for name in FIELDS if content.get(name)}
    if not fields.get("title"):
        return Unrenderable("empty", "title: the send carries no content")
    return Rendered(
        fields={"body": "", **fields},
        ttl_seconds=content.get("ttl_seconds", DAY),
        urgency=content.get("urgency", "normal"),
        collapse=collapse_key(content.get("tag") or ""),
        options=data.get("options") or {},
    )
