"""What upper layers register with us: who renders the messages of a wave.

A wave names its content source; the source turns a batch of messages into what is pushed, with today's facts.
"""

from __future__ import annotations

import datetime as dt
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Protocol

import msgspec

from delivery.models import Wave

_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")


class Rendering(msgspec.Struct, frozen=True):
    """One message to be rendered: for whom, on which device, and what triggered it (None for a broadcast)."""

    message_id: int
    profile_id: int
    data: Mapping[str, Any] | None = None
    device: Mapping[str, Any] = {}


class Rendered(msgspec.Struct, frozen=True):
    """What is pushed. `fields`: title, body, and url, image, icon, badge, actions, tag, data where there are any;
    `options`: what only some platforms know, by platform."""

    fields: Mapping[str, Any]
    ttl_seconds: int
    urgency: str = "normal"
    collapse: str = ""
    options: Mapping[str, Any] = {}
    used_fallback: bool = False


def collapse_key(tag: str) -> str:
    """The key by which push services let a newer push replace one that still waits. What is no Topic (RFC 8030, 5.4)
    is hashed into one."""
    if not tag or _TOPIC.fullmatch(tag):
        return tag
    return urlsafe_b64encode(sha256(tag.encode("utf-8", "replace")).digest()[:24]).decode()


class Unrenderable(msgspec.Struct, frozen=True):
    """Gate 16's "no": a reason code and a line that says what is wrong."""

    reason: str
    detail: str


class ContentSource(Protocol):
    """Renders the messages of one wave, a batch at a time."""

    def render(self, wave: Wave, batch: Sequence[Rendering], *, now: dt.datetime) -> list[Rendered | Unrenderable]:
        """One result for each of the batch, in its order; a handful of queries, whatever the batch's size."""
        ...


_sources: dict[str, ContentSource] = {}


class UnknownSource(LookupError):
    """A wave names a content source that nobody registered."""


def register(name: str, source: ContentSource) -> None:
    """Called once by an upper layer when the site starts."""
    _sources[name] = source


def source_named(name: str) -> ContentSource:
    try:
        return _sources[name]
    except KeyError:
        raise UnknownSource(f"No content source is registered under {name!r}.") from None
