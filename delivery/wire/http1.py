"""HTTP/1.1 (RFC 9112): one request at a time on a connection that is kept."""

from __future__ import annotations

import re
from functools import lru_cache

from delivery.wire.connection import Connection, Malformed
from delivery.wire.exchange import LARGEST_HEAD, Exchange, check_header
from delivery.wire.line import Line

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?\Z")
_NAME = re.compile(r"[!#-'*+.0-9A-Z^-z|~-]+")
_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})(?:[ \t]*;[^\r\n]*)?")
TO_THE_END = -1
CHUNKED = -2


class Http1(Connection):
    def __init__(self, line: Line, *, authority: str) -> None:
        super().__init__(line, authority=authority)
        self._current: Exchange | None = None
        self._held = bytearray()
        self._sought = 0
        self._left = 0  # of the body: bytes, or one of the two below
        self._chunk = 0  # 0: its size comes next; more: bytes of it and of its line's end; less: trailers
        self._keeps = True
        self._is_used = False

    def room(self) -> int:
        """Before another request: whether the server has closed the connection meanwhile, which not all announce."""
        if self._current is None and self._is_used:
            self.read()
        return 0 if self._current or self.closed else 1

    @property
    def under_way(self) -> list[Exchange]:
        return [self._current] if self._current else []

    def forget(self) -> None:
        self._current = None

    def begin(self, exchange: Exchange) -> None:
        if exchange.post.http2_only:
            exchange.end("never_sent", "the server does not speak HTTP/2")
            return
        post = exchange.post
        head = f"{post.method} {exchange.path} HTTP/1.1\r\nHost: {self.authority}\r\n".encode("ascii")
        length = b"" if post.method == "GET" else b"Content-Length: %d\r\n" % len(post.body)
        lines = [_line(name, value) for name, value in post.headers.items()]
        self._current = exchange
        self._is_used = True
        self.queue(exchange, head, b"Accept: */*\r\nUser-Agent: Heed\r\n", *lines, length, b"\r\n", post.body)

    def hear(self, data: bytes) -> None:
        self._held += data
        while self._held and self._current is not None:
            if not self._current.status:
                if not self._head(self._current):
                    return
            elif not self._body(self._current):
                return
        if self._held and self._current is None:
            raise Malformed("there is an answer to nothing")

    def _head(self, exchange: Exchange) -> bool:
        """The status and headers, once they are whole; 1xx are passed over."""
        end = self._held.find(b"\r\n\r\n", self._sought)
        if end < 0:
            if len(self._held) > LARGEST_HEAD:
                raise Malformed("the headers do not end")
            self._sought = max(len(self._held) - 3, 0)
            return False
        if end > LARGEST_HEAD:
            raise Malformed("the headers are too large")
        first, *lines = bytes(self._held[:end]).split(b"\r\n")
        del self._held[: end + 4]
        self._sought = 0
        found = _STATUS.match(first)
        if not found:
            raise Malformed("there is no status line")
        status = int(found[2])
        if status == 101:
            raise Malformed("it switches protocols")
        if status < 200:
            return True
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or not _NAME.fullmatch(name):
                raise Malformed("a header has no name")
            name, value = name.lower(), value.strip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        exchange.hear(status, headers)
        said = headers.get("connection", "").lower()
        self._keeps = "close" not in said and (found[1] == b"1" or "keep-alive" in said)
        self._left = self._length(status, headers)
        if self._left == 0:
            self._finish(exchange)
        return True

    def _length(self, status: int, headers: dict[str, str]) -> int:
        if status in (204, 304):
            return 0
        coding = headers.get("transfer-encoding")
        if coding is not None:
            self._chunk, self._keeps = 0, self._keeps and coding.lower() == "chunked"
            return CHUNKED if coding.lower() == "chunked" else TO_THE_END
        length = headers.get("content-length")
        if length is not None and length.isascii() and length.isdigit() and len(length) < 16:
            return int(length)
        self._keeps = False
        return TO_THE_END

    def _body(self, exchange: Exchange) -> bool:
        if self._left == CHUNKED:
            return self._chunks(exchange)
        count = len(self._held) if self._left == TO_THE_END else min(self._left, len(self._held))
        piece = bytes(self._held[:count])
        del self._held[:count]
        if not exchange.take(piece):
            self._keeps = False
            self._finish(exchange)
        elif self._left != TO_THE_END:
            self._left -= count
            if self._left == 0:
                self._finish(exchange)
        return True

    def _chunks(self, exchange: Exchange) -> bool:
        """Sizes and pieces in turn; what follows the last one (trailers) ends with an empty line."""
        if self._chunk > 2:
            piece = bytes(self._held[: self._chunk - 2])
            self._chunk -= len(piece)
            del self._held[: len(piece)]
            if not exchange.take(piece):
                self._keeps = False
                self._finish(exchange)
            return True
        end = self._held.find(b"\r\n")
        if end < 0:
            if len(self._held) > LARGEST_HEAD:
                raise Malformed("a chunk's size does not end")
            return False
        line = bytes(self._held[:end])
        del self._held[: end + 2]
        if self._chunk == 2:  # the line's end after a piece
            if line:
                raise Malformed("a chunk is longer than it said")
            self._chunk = 0
        elif self._chunk < 0:  # trailers
            if not line:
                self._finish(exchange)
        else:
            found = _SIZE.fullmatch(line)
            if not found:
                raise Malformed("a chunk has no size")
            size = int(found[1], 16)
            self._chunk = size + 2 if size else -1
        return True

    def _finish(self, exchange: Exchange) -> None:
        exchange.finish()
        self._current = None
        if not self._keeps or self.out or self.line.pending:
            self.close()
            self._held.clear()


@lru_cache(maxsize=2048)
def _line(name: str, value: str) -> bytes:
    check_header(name, value)
    return f"{name}: {value}\r\n".encode("latin-1")
