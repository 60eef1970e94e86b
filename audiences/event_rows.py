"""Events into their table: one COPY a batch, in PostgreSQL's binary format, which costs both sides less than text."""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from audiences.statements import copy

_encode = msgspec.json.Encoder().encode


class Row(NamedTuple):
    """One event as it will be stored. `properties` is plain data, `context` what `json_field` made of it."""

    profile_id: int
    name: str
    occurred_at: dt.datetime
    properties: Any
    context: bytes
    kind: str
    message_id: str


def encoded(data: Any) -> bytes:
    """JSON that a jsonb column takes: NUL characters, which it refuses, are left out."""
    text = _encode(data)
    if b"\\u0000" in text:
        text = _encode(_without_nul(msgspec.json.decode(text)))
    return text


def _without_nul(data: Any) -> Any:
    if isinstance(data, str):
        return data.replace("\0", "")
    if isinstance(data, list):
        return [_without_nul(item) for item in data]
    if isinstance(data, dict):
        return {key.replace("\0", ""): _without_nul(value) for key, value in data.items()}
    return data


def store(rows: Sequence[Row], *, source_id: int | None, now: dt.datetime) -> None:
    """Append the events. Their months must have partitions; call it in the transaction that dedupes them."""
    if not rows:
        return
    # Every row's own numbers, then what all share, then texts.
    shared = _NULL if source_id is None else _number(8, source_id)
    shared = _number(8, _moment(now)) + shared
    parts = [_SIGNATURE]
    for profile_id, name, occurred_at, properties, context, kind, message_id in rows:
        parts += (
            _numbers(_COLUMNS, 8, profile_id, 8, _moment(occurred_at)),
            shared,
            _repeated(name),
            _repeated(kind),
            json_field(properties),
            context,
            _field(message_id.encode()),
        )
    parts.append(_END)
    copy(_COPY, b"".join(parts))


_COPY = (
    "COPY audiences_event "
    "(profile_id, occurred_at, received_at, source_id, name, kind, properties, context, message_id) "
    "FROM STDIN (FORMAT binary)"
)
_COLUMNS = 9
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
# A field is its length, in four bytes, and its value; moments are microseconds since 2000.
_NULL = b"\xff\xff\xff\xff"
_length = struct.Struct("!i").pack
_number = struct.Struct("!iq").pack
_numbers = struct.Struct("!hiqiq").pack
_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def json_field(data: Any) -> bytes:
    """Data as a field of type jsonb: the format's version and JSON."""
    return _field(b"\x01" + (encoded(data) if data else b"{}"))


def _moment(when: dt.datetime) -> int:
    return (when - _EPOCH) // _MICROSECOND


def _field(value: bytes) -> bytes:
    return _length(len(value)) + value


@lru_cache(maxsize=1000)
def _repeated(text: str) -> bytes:
    """A name or a kind, as most rows have the same few."""
    return _field(text.encode())
