"""The frames of HTTP/2 (RFC 9113): numbers and layout."""

from __future__ import annotations

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = (
    range(1, 7)
)
NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, CANCEL = 0, 1, 7, 8

HEAD = struct.Struct("!HBBBL")  # 24 bits of length, then kind, flags and stream
LARGEST_FRAME = 16_384
LARGEST_WINDOW = 2**31 - 1
FIRST_WINDOW = 65_535
_SETTING = struct.Struct("!HL")


def head(length: int, kind: int, flags: int, stream: int) -> bytes:
    return HEAD.pack(length >> 8, length & 255, kind, flags, stream)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return head(len(payload), kind, flags, stream) + payload


def settings(values: dict[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(key, value) for key, value in values.items()))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """(number, value) in order. Raises struct.error where the length does not fit."""
    return list(_SETTING.iter_unpack(payload))


def window_update(stream: int, by: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, by.to_bytes(4, "big"))


def reset(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def goaway(code: int) -> bytes:
    return frame(GOAWAY, 0, 0, bytes(4) + code.to_bytes(4, "big"))
