"""Header blocks of HTTP/2 (HPACK, RFC 7541) without the dynamic table, so that each block stands alone.

We announce a table of size 0 and use none ourselves: no state, nothing that a lost block could spoil, and nothing that
grows. Fields go out as literals; what comes in may also be Huffman-coded (the `hpack` package has that table).
"""

from __future__ import annotations

from functools import lru_cache

from hpack.exceptions import HPACKError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from delivery.wire.exchange import check_header

MOST_FIELDS = 128
LONGEST_KEPT = 64
NO_TABLE = b"\x20"  # begins the first block of a connection
_STATIC = [(name.decode(), value.decode()) for name, value in HeaderTable.STATIC_TABLE]
_INDEX = {name: place for place, (name, _) in reversed(list(enumerate(_STATIC, 1)))}
_SECRET = frozenset({"authorization"})


class MalformedFields(ValueError):
    """Not a header block without a dynamic table."""


def integer(number: int, bits: int, first: int = 0) -> bytes:
    """An integer with a prefix of `bits` bits; `first` are the bits before it."""
    most = (1 << bits) - 1
    if number < most:
        return bytes((first | number,))
    out = bytearray((first | most,))
    number -= most
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def text(value: str) -> bytes:
    raw = value.encode("latin-1")
    return integer(len(raw), 7) + raw


@lru_cache(maxsize=2048)
def field(name: str, value: str) -> bytes:
    """One field as a literal; secrets are marked as never to be put into a table on the way."""
    check_header(name, value)
    name = name.lower()
    first = 0x10 if name in _SECRET else 0
    place = _INDEX.get(name)
    return (integer(place, 4, first) if place else bytes((first,)) + text(name)) + text(value)


def decode(block: bytes) -> list[tuple[str, str]]:
    """The fields in order. Raises MalformedFields."""
    found: list[tuple[str, str]] = []
    at, end = 0, len(block)
    try:
        while at < end:
            first = block[at]
            if first & 0x80:
                place, at = _integer(block, at, 0x7F)
                found.append(_static(place))
            elif first & 0xE0 == 0x20:
                size, at = _integer(block, at, 0x1F)
                if size or found:
                    raise MalformedFields("a table that we did not allow")
                continue
            else:
                place, at = _integer(block, at, 0x3F if first & 0x40 else 0x0F)
                if place:
                    name = _static(place)[0]
                else:
                    name, at = _text(block, at)
                value, at = _text(block, at)
                found.append((name, value))
            if len(found) > MOST_FIELDS:
                raise MalformedFields("too many fields")
    except IndexError:
        raise MalformedFields("it breaks off") from None
    return found


def _static(place: int) -> tuple[str, str]:
    if not 0 < place <= len(_STATIC):
        raise MalformedFields("a place in a table that we did not allow")
    return _STATIC[place - 1]


def _integer(block: bytes, at: int, most: int) -> tuple[int, int]:
    number = block[at] & most
    at += 1
    if number < most:
        return number, at
    for shift in (0, 7, 14, 21):
        more = block[at]
        at += 1
        number += (more & 127) << shift
        if more < 128:
            return number, at
    raise MalformedFields("a number is too large")


def _text(block: bytes, at: int) -> tuple[str, int]:
    is_huffman = block[at] & 0x80
    length, at = _integer(block, at, 0x7F)
    raw = block[at : at + length]
    if len(raw) < length:
        raise MalformedFields("it breaks off")
    if not is_huffman:
        return raw.decode("latin-1"), at + length
    return (_remembered(raw) if length <= LONGEST_KEPT else _huffman(raw)), at + length


def _huffman(raw: bytes) -> str:
    try:
        return decode_huffman(raw).decode("latin-1")
    except HPACKError:
        raise MalformedFields("its Huffman code is broken") from None


_remembered = lru_cache(maxsize=2048)(_huffman)
