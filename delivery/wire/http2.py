"""HTTP/2 (RFC 9113): all requests of a batch as streams of one connection, written and read together.

Two things prove that a request was not processed (section 8.7): its stream was refused, or it lies above the last
stream that a GOAWAY names.
"""

from __future__ import annotations

import struct
import time

from delivery.wire import frames
from delivery.wire.connection import Connection, Malformed
from delivery.wire.exchange import LARGEST_HEAD, Exchange
from delivery.wire.fields import NO_TABLE, Decoder, MalformedFields, field, text
from delivery.wire.flow import Inflow, Outflow
from delivery.wire.frames import HEAD
from delivery.wire.line import Line

MOST_STREAMS = 256
FEW_STREAMS = 32
LAST_STREAM = 2**30
IDLE_BEFORE_PING = 30.0
MOST_QUEUED = 8192
_POST = b"\x83\x87"  # :method POST, :scheme https
_GET = b"\x82\x87"


class Http2(Connection):
    longest_idle = 3600.0

    def __init__(self, line: Line, *, authority: str) -> None:
        super().__init__(line, authority=authority)
        self._streams: dict[int, Exchange] = {}
        self._outflow = Outflow()
        self._inflow = Inflow()
        self._next = 1
        self._limit = MOST_STREAMS
        self._answered = 0
        self._heard_settings = False
        self._pinged = False
        self._held = b""
        self._decoder = Decoder()
        self._block = b""
        self._block_of = self._block_flags = 0
        self._common = b"\x01" + text(authority) + b"\x04"  # :authority, and :path, whose value follows
        self.out += [
            frames.PREFACE,
            frames.settings({frames.ENABLE_PUSH: 0, frames.MAX_HEADER_LIST_SIZE: LARGEST_HEAD}),
        ]

    @property
    def is_ready(self) -> bool:
        return self._heard_settings and not self._pinged and not self.closed

    @property
    def is_narrow(self) -> bool:
        """Whether it lets so few streams through that others beside it help. (APNs allows one until it knows us.)"""
        return self.is_ready and self._limit < FEW_STREAMS and self._answered > 1

    @property
    def under_way(self) -> list[Exchange]:
        return list(self._streams.values())

    def room(self) -> int:
        if not self.is_ready or self.draining or self._outflow.window <= 0:
            return 0
        return self._limit - len(self._streams)

    def forget(self) -> None:
        self._streams.clear()

    def wake(self) -> None:
        """A connection that was idle for long may be dead without a sign: it has to answer a PING first."""
        super().wake()
        if not self.closed and time.monotonic() - self.idle_since > IDLE_BEFORE_PING:
            self._pinged = True
            self.out.append(frames.frame(frames.PING, 0, 0, b"are you?"))

    def begin(self, exchange: Exchange) -> None:
        post = exchange.post
        body = post.body
        block = b"".join(
            [
                NO_TABLE if self._next == 1 else b"",
                _GET if post.method == "GET" else _POST,
                self._common,
                text(exchange.path),
                _HEED,
                b"" if post.method == "GET" else field("content-length", str(len(body))),
                *[field(name, value) for name, value in post.headers.items()],
            ]
        )
        if len(block) > frames.LARGEST_FRAME:
            exchange.end("unsafe", "its headers are too large")
            return
        stream = self._next
        self._next += 2
        self.draining = self.draining or stream > LAST_STREAM
        self._streams[stream] = exchange
        head = frames.head(len(block), frames.HEADERS, frames.END_HEADERS | (not body), stream)
        self.queue(exchange, head, block, *(self._outflow.body(stream, body) if body else ()))

    def hear(self, data: bytes) -> None:
        if self._held:
            data = self._held + data
        at, end = 0, len(data)
        while end - at >= 9:
            high, low, kind, flags, stream = HEAD.unpack_from(data, at)
            length = high << 8 | low
            if length > frames.LARGEST_FRAME:
                raise Malformed("a frame is too long")
            if end - at < 9 + length:
                break
            payload = data[at + 9 : at + 9 + length]
            at += 9 + length
            stream &= frames.LARGEST_WINDOW
            if not self._heard_settings and kind != frames.SETTINGS:
                raise Malformed("it does not begin with its settings")
            if self._block_of and (kind != frames.CONTINUATION or stream != self._block_of):
                raise Malformed("a header block is broken up")
            if kind == frames.HEADERS:
                self._on_headers(stream, flags, payload)
            elif kind == frames.DATA:
                self._on_data(stream, flags, payload)
            else:
                self._on_other(kind, stream, flags, payload)
            if self.closed:
                return
        self._held = data[at:]
        if len(self.out) > MOST_QUEUED:
            raise Malformed("it asks for more than it takes")
        if self.draining and not self._streams and not self.closed:
            self.close()

    def _on_headers(self, stream: int, flags: int, payload: bytes) -> None:
        payload = _unpadded(flags, payload)
        if flags & frames.HAS_PRIORITY:
            payload = payload[5:]
        if flags & frames.END_HEADERS:
            self._on_block(stream, flags, payload)
        else:
            self._block, self._block_of, self._block_flags = payload, stream, flags

    def _on_block(self, stream: int, flags: int, block: bytes) -> None:
        exchange = self._stream(stream)
        try:
            found = self._decoder.decode(block)
        except MalformedFields as fault:
            raise Malformed(str(fault)) from None
        if exchange is None:
            return
        if not exchange.status:
            if not found or found[0][0] != ":status" or not found[0][1].isdigit() or len(found[0][1]) != 3:
                raise Malformed("there is no status")
            status = int(found[0][1])
            if status >= 200:
                headers = dict(found[1:])
                if len(headers) + 1 < len(found):
                    headers = {name: ", ".join(value for key, value in found if key == name) for name in headers}
                exchange.hear(status, headers)
        # Else trailers: they say nothing that anyone here wants to know.
        if flags & frames.END_STREAM:
            self._ended(stream, exchange)

    def _on_data(self, stream: int, flags: int, payload: bytes) -> None:
        self.out += self._inflow.take(0, len(payload))
        exchange = self._stream(stream)
        if exchange is None:
            return
        if not exchange.status:
            raise Malformed("a body comes before its headers")
        is_enough = not exchange.take(_unpadded(flags, payload))
        if flags & frames.END_STREAM:
            self._ended(stream, exchange)
        elif is_enough:
            exchange.finish()
            self._drop(stream, frames.CANCEL)
        else:
            self.out += self._inflow.take(stream, len(payload))

    def _stream(self, stream: int) -> Exchange | None:
        """Whose frame this is; nobody's where the stream has ended, which frames may cross."""
        if stream % 2 == 0 or stream >= self._next:
            raise Malformed("a stream that we did not open")
        return self._streams.get(stream)

    def _ended(self, stream: int, exchange: Exchange) -> None:
        if not exchange.status:
            raise Malformed("a stream ends without a status")
        exchange.finish()
        self._answered += 1
        # An answer may come before the server has all of the body, such as a 413.
        self._drop(stream, frames.CANCEL if self._outflow.waits(stream) else None)

    def _drop(self, stream: int, code: int | None = None) -> None:
        del self._streams[stream]
        self._outflow.drop(stream)
        self._inflow.drop(stream)
        if code is not None:
            self.out.append(frames.reset(stream, code))

    def _on_other(self, kind: int, stream: int, flags: int, payload: bytes) -> None:
        if kind == frames.CONTINUATION:
            if not self._block_of:
                raise Malformed("a header block goes on that never began")
            self._block += payload
            if len(self._block) > LARGEST_HEAD:
                raise Malformed("the headers are too large")
            if flags & frames.END_HEADERS:
                self._block_of = 0
                self._on_block(stream, self._block_flags, self._block)
        elif kind == frames.SETTINGS:
            self._on_settings(flags, payload)
        elif kind == frames.PING:
            if flags & frames.ACK:
                self._pinged = False
            else:
                self.out.append(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif kind == frames.WINDOW_UPDATE:
            self._on_window(stream, payload)
        elif kind == frames.RST_STREAM:
            self._on_reset(stream, payload)
        elif kind == frames.GOAWAY:
            self._on_goaway(payload)
        elif kind == frames.PUSH_PROMISE:
            raise Malformed("it pushes, which we forbade")
        # Other kinds are to be passed over.

    def _on_settings(self, flags: int, payload: bytes) -> None:
        if flags & frames.ACK:
            return
        try:
            values = frames.read_settings(payload)
        except struct.error:
            raise Malformed("its settings have a wrong length") from None
        opened: list[bytes] = []
        for key, value in values:
            if key == frames.MAX_CONCURRENT_STREAMS:
                self._limit = min(value, MOST_STREAMS)
            elif key == frames.INITIAL_WINDOW_SIZE:
                opened += self._outflow.resize(value)
        self._heard_settings = True
        self.out += [frames.frame(frames.SETTINGS, frames.ACK, 0), *opened]

    def _on_window(self, stream: int, payload: bytes) -> None:
        by = int.from_bytes(payload, "big") & frames.LARGEST_WINDOW
        if len(payload) != 4 or not by:
            raise Malformed("a window is opened by nothing")
        self.out += self._outflow.open(stream, by)

    def _on_reset(self, stream: int, payload: bytes) -> None:
        exchange = self._stream(stream)
        if len(payload) != 4:
            raise Malformed("a reset has a wrong length")
        if exchange is None:
            return
        code = int.from_bytes(payload, "big")
        self._drop(stream)
        if code == frames.REFUSED_STREAM:
            exchange.end("never_sent", "the server refused the stream")
        else:
            exchange.end("unknown", f"the server reset the stream with code {code}")

    def _on_goaway(self, payload: bytes) -> None:
        if len(payload) < 8:
            raise Malformed("a farewell breaks off")
        last = int.from_bytes(payload[:4], "big") & frames.LARGEST_WINDOW
        said = (
            f"the server said goodbye with code {int.from_bytes(payload[4:8], 'big')} {payload[8:].decode('latin-1')}"
        )
        self.draining = True
        self.line.why = said[:200]
        for stream in [one for one in self._streams if one > last]:
            exchange = self._streams[stream]
            self._drop(stream)
            if exchange.status:
                exchange.finish()
            else:
                self.refuse(exchange, said)

    def close(self, *, ours: bool = True) -> None:
        if not self.closed:
            self.closed = True
            self.line.close(last=frames.goaway(frames.NO_ERROR) if self._heard_settings else b"", ours=ours)


_HEED = field("accept", "*/*") + field("user-agent", "Heed")


def _unpadded(flags: int, payload: bytes) -> bytes:
    if not flags & frames.PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Malformed("a frame is all padding")
    return payload[1 : len(payload) - payload[0]]
