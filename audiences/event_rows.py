"""Events into their table: one COPY a batch."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import connection

_encode = msgspec.json.Encoder().encode
_ESCAPES = {ord("\\"): "\\\\", ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r"}


@dataclass(slots=True)
class Row:
    """One event as it will be stored. `properties` is plain data, `context` what `copied` made of it."""

    profile_id: int
    name: str
    occurred_at: dt.datetime
    properties: Any
    context: str
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
    source = r"\N" if source_id is None else str(source_id)
    received = now.isoformat()
    lines = [
        f"{row.profile_id}\t{_text(row.name)}\t{row.occurred_at.isoformat()}\t{received}\t"
        f"{copied(row.properties)}\t{row.context}\t{row.kind}\t{source}\t{_text(row.message_id)}\n"
        for row in rows
    ]
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write("".join(lines))


_COPY = (
    "COPY audiences_event "
    "(profile_id, name, occurred_at, received_at, properties, context, kind, source_id, message_id) FROM STDIN"
)


def copied(data: Any) -> str:
    """Data as JSON for COPY: JSON has no bare control characters, so only its backslashes need another one."""
    return encoded(data).decode().replace("\\", "\\\\") if data else "{}"


def _text(text: str) -> str:
    return text if text.isprintable() and "\\" not in text else text.translate(_ESCAPES)
