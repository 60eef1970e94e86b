"""Header blocks of HTTP/2 (HPACK, RFC 7541).

Ours are literals, without a table. What comes in may use everything: the static table, a dynamic one of up to 4 KB, and
the Huffman code. The tables that the RFC prints are those of the `hpack` package.
"""

from __future__ import annotations

from functools import lru_cache

from hpack.table import HeaderTable

from delivery.wire import huffman
from delivery.wire.exchange import check_header

MOST_FIELDS = 128
LONGEST_KEPT = 64
LARGEST_TABLE = 4096  # what every connection begins with; we leave it so
ENTRY = 32  # what an entry counts beside its text
NO_TABLE = b"\x20"  # begins the first block of a connection
_STATIC = [(name.decode(), value.decode()) for name, value in HeaderTable.STATIC_TABLE]
_INDEX = {name: place for place, (name, _) in reversed(list(enumerate(_STATIC, 1)))}
_SECRET = frozenset({"authorization"})


class MalformedFields(ValueError):
    """Not a header block."""


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


class Decoder:
    """Reads the blocks of one connection, all of them, in the order in which they came."""

    def __init__(self) -> None:
        self._table: list[tuple[str, str]] = []  # the newest last
        self._size = 0
        self._limit = LARGEST_TABLE

    def decode(self, block: bytes) -> list[tuple[str, str]]:
        """The fields in order. Raises MalformedFields; the connection is of no more use then."""
        found: list[tuple[str, str]] = []
        at, end = 0, len(block)
        try:
            while at < end:
                first = block[at]
                if first >= 0x80:
                    place, at = _integer(block, at, 0x7F)
                    found.append(self._entry(place))
                elif first & 0xE0 == 0x20:
                    self._limit, at = _integer(block, at, 0x1F)
                    if found or self._limit > LARGEST_TABLE:
                        raise MalformedFields("a table that we did not allow")
                    self._evict()
                else:
                    place, at = _integer(block, at, 0x3F if first >= 0x40 else 0x0F)
                    if place:
                        name = self._entry(place)[0]
                    else:
                        name, at = _text(block, at)
                    value, at = _text(block, at)
                    found.append((name, value))
                    if first >= 0x40:
                        self._table.append((name, value))
                        self._size += len(name) + len(value) + ENTRY
                        self._evict()
                if len(found) > MOST_FIELDS:
                    raise MalformedFields("too many fields")
        except IndexError:
            raise MalformedFields("it breaks off") from None
        return found

    def _entry(self, place: int) -> tuple[str, str]:
        if not 0 < place <= len(_STATIC) + len(self._table):
            raise MalformedFields("a place that is in no table")
        return _STATIC[place - 1] if place <= len(_STATIC) else self._table[len(_STATIC) - place]

    def _evict(self) -> None:
        while self._size > self._limit:
            name, value = self._table.pop(0)
            self._size -= len(name) + len(value) + ENTRY


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
    first = block[at]
    if first & 0x7F < 0x7F:
        length, at = first & 0x7F, at + 1
    else:
        length, at = _integer(block, at, 0x7F)
    end = at + length
    raw = block[at:end]
    if len(raw) < length:
        raise MalformedFields("it breaks off")
    if first < 0x80:
        return raw.decode("latin-1"), end
    return (_remembered(raw) if length <= LONGEST_KEPT else _huffman(raw)), end


def _huffman(raw: bytes) -> str:
    try:
        return huffman.decode(raw)
    except huffman.MalformedCode as fault:
        raise MalformedFields(str(fault)) from None


# Names, dates and the like come again and again; what is longer is seldom seen twice.
_remembered = lru_cache(maxsize=2048)(_huffman)
