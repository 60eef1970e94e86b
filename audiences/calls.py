"""What apps and SDKs send: the calls of the tracking API, read strictly, each with the path of what is wrong in it."""

from __future__ import annotations

import datetime as dt
import functools
import re
import uuid
import zoneinfo
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

LARGEST_CALL = 32 * 1024
LONGEST_ID = 255
LONGEST_NAME = 200
KINDS = frozenset({"identify", "track", "page", "screen", "group", "alias"})

_NO_ZONE = "Expected `datetime` with a timezone component"
_MISSING = re.compile(r"Object missing required field `(\w+)`")

# An escape of JSON: a pair of surrogates, one without its other half, or any other.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)

Said = str | int | float | None
Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)]


class Malformed(ValueError):
    """One call cannot be read: `path` says where, `reason` what to change."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason

    @classmethod
    def of(cls, problem: msgspec.ValidationError, *, within: str = "") -> Malformed:
        """The same from msgspec's words. A field that is missing is named by the path, as a wrong one is."""
        reason, _, path = str(problem).partition(" - at `$")
        path = within + path.rstrip("`").replace("[...]", "")
        if missing := _MISSING.fullmatch(reason):
            path += f".{missing[1]}"
        if reason == _NO_ZONE:
            reason = "Give the time with its zone, such as 2026-11-24T12:00:00Z"
        return cls(path.lstrip("."), f"{reason}.")


class App(msgspec.Struct, rename="camel", gc=False, omit_defaults=True):
    """`namespace` is the bundle id or package name."""

    name: Said = None
    version: Said = None
    build: Said = None
    namespace: Said = None


class Handset(msgspec.Struct, rename="camel", gc=False, omit_defaults=True):
    """`context.device`, as the mobile SDKs send it; `permission` and `environment` are our own additions."""

    id: Said = None
    token: str | None = None
    type: str | None = None
    permission: str | None = None
    environment: str | None = None


class Page(msgspec.Struct, rename="camel", gc=False, omit_defaults=True):
    url: str | None = None
    path: str | None = None
    title: str | None = None
    referrer: str | None = None


class Named(msgspec.Struct, rename="camel", gc=False, omit_defaults=True):
    name: Said = None
    version: Said = None


class Context(msgspec.Struct, rename="camel", omit_defaults=True, dict=True):
    """What is kept of a call's context; whatever else the SDK knows of the person is not stored."""

    ip: str | None = None
    locale: str | None = None
    timezone: str | None = None
    user_agent: str | None = None
    library: Named | None = None
    app: App | None = None
    os: Named | None = None
    device: Handset | None = None
    page: Page | None = None
    campaign: dict[str, Any] | None = None
    user_hash: str | None = None
    traits: dict[str, Any] | None = None
    clock: str | None = None


class Call(msgspec.Struct, rename="camel"):
    type: str = ""
    message_id: Said = None
    user_id: Said = None
    anonymous_id: Said = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    raw_context: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="context")
    timestamp: Moment | None = None
    original_timestamp: Moment | None = None
    sent_at: Moment | None = None
    group_id: Said = None
    previous_id: Said = None
    user_hash: str | None = None
    # Read from `raw_context`; whatever came under this name is overwritten.
    context: Context | None = msgspec.field(default=None, name="heed.context")

    def said(self) -> dict[str, Any]:
        """The traits that the call gives: RudderStack's SDKs put those of `identify` into the context."""
        return self.traits or (self.context and self.context.traits) or {}

    def proof(self) -> str:
        """The `userHash` that came with the call, from wherever SDKs can put it, or the empty string."""
        proof = self.user_hash or (self.context and self.context.user_hash) or self.said().get("userHash")
        return proof if isinstance(proof, str) else ""


_decoder = msgspec.json.Decoder(Call)
_context_decoder = msgspec.json.Decoder(Context | None)

# An SDK sends the same context with call after call: those of the last few hundred are kept as they were read.
KEPT_CONTEXTS = 1000
LONGEST_KEPT = 1024
_contexts: dict[bytes, Context | None] = {b"": None}


def _context(text: bytes) -> Context | None:
    if text in _contexts:
        return _contexts[text]
    context: Context | None = _context_decoder.decode(text)
    if len(text) <= LONGEST_KEPT:
        if len(_contexts) >= KEPT_CONTEXTS:
            _contexts.clear()
            _contexts[b""] = None
        _contexts[text] = context
    return context


def whole_characters(text: bytes) -> bytes:
    """JSON with U+FFFD for each half of a character, which JavaScript leaves where it cuts a text in an emoji."""
    return _ESCAPE.sub(lambda found: b"\\ufffd" if found[1] else found[0], text)


def read(raw: bytes | msgspec.Raw | Mapping[str, Any], *, kind: str | None = None) -> Call:
    """One call, checked and with its ids as text. `kind` is the type that the address says. Raises Malformed."""
    try:
        if not isinstance(raw, bytes | msgspec.Raw):
            raw = msgspec.json.encode(raw)
        if len(memoryview(raw)) > LARGEST_CALL:
            raise Malformed("", f"A call may have {LARGEST_CALL // 1024} KB at most.")
        where = ""
        call = _decoder.decode(raw)
        where = "context"
        call.context = _context(bytes(call.raw_context))
    except msgspec.ValidationError as problem:
        raise Malformed.of(problem, within=where) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        text = b"" if isinstance(raw, Mapping) else bytes(raw)
        if (mended := whole_characters(text)) != text:
            return read(mended, kind=kind)
        raise Malformed("", f"This is not JSON: {problem}.") from None
    except RecursionError:
        raise Malformed("", "The call is nested too deeply.") from None
    if kind is not None:
        call.type = kind
    elif call.type not in KINDS:
        raise Malformed("type", "Give identify, track, page, screen, group or alias.")
    user_id = call.user_id = _id("userId", call.user_id)
    anonymous_id = call.anonymous_id = _id("anonymousId", call.anonymous_id)
    message_id = call.message_id
    call.message_id = _id("messageId", message_id) if message_id else str(uuid.uuid4())
    if call.type == "alias":
        call.previous_id = _id("previousId", call.previous_id)
        if not (call.previous_id and user_id):
            raise Malformed("previousId" if user_id else "userId", "An alias needs previousId and userId.")
    elif not (user_id or anonymous_id):
        raise Malformed("userId", "Give a userId or an anonymousId.")
    if call.type == "track":
        _check_name("event", call.event)
    elif call.type == "group":
        call.group_id = _id("groupId", call.group_id)
        if not call.group_id:
            raise Malformed("groupId", "Give the id of the group.")
    return call


def _id(path: str, said: Said) -> str | None:
    if said is None or said == "":
        return None
    text = said if isinstance(said, str) else str(said)
    if len(text) > LONGEST_ID or (not text.isprintable() and min(text) < " "):
        raise Malformed(path, f"An id has {LONGEST_ID} characters at most, and no control characters.")
    return text


def _check_name(path: str, name: str | None) -> None:
    if not name or len(name) > LONGEST_NAME or "\0" in name:
        raise Malformed(path, f"Give the event a name of 1 to {LONGEST_NAME} characters, without NUL.")


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def is_zone(name: str) -> bool:
    """Whether it names a time zone of the IANA database (old names such as US/Eastern included)."""
    return name in _zones()
