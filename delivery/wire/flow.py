"""Flow control of HTTP/2 (RFC 9113, section 5.2): each side says how much of bodies it will take."""

from __future__ import annotations

from delivery.wire import frames
from delivery.wire.connection import Malformed

GIVE_BACK = 32 * 1024


class Outflow:
    """What of our bodies may be sent, and what waits until more may be. Its methods give the frames that may go now."""

    def __init__(self) -> None:
        self.window = frames.FIRST_WINDOW  # the connection's
        self._first = frames.FIRST_WINDOW  # each new stream's
        self._rests: dict[int, tuple[memoryview, int]] = {}  # stream: what is left of its body, and its window

    def body(self, stream: int, body: bytes) -> list[bytes]:
        """The body of a new stream."""
        size = len(body)
        if size <= self.window and size <= self._first and size <= frames.LARGEST_FRAME:
            self.window -= size
            return [frames.head(size, frames.DATA, frames.END_STREAM, stream), body]
        return self._more(stream, memoryview(body), self._first)

    def open(self, stream: int, by: int) -> list[bytes]:
        """The other side takes more, of one stream or (0) in all."""
        if stream == 0:
            self.window += by
            if self.window > frames.LARGEST_WINDOW:
                raise Malformed("a window is too large")
            return self._all(0)
        rest, window = self._rests.get(stream, (None, 0))
        return [] if rest is None else self._more(stream, rest, window + by)

    def resize(self, first: int) -> list[bytes]:
        """Streams begin with another window; those that are open have as much more or less."""
        if first > frames.LARGEST_WINDOW:
            raise Malformed("a window is too large")
        by, self._first = first - self._first, first
        return self._all(by)

    def waits(self, stream: int) -> bool:
        return stream in self._rests

    def drop(self, stream: int) -> None:
        self._rests.pop(stream, None)

    def _all(self, by: int) -> list[bytes]:
        out = []
        for stream, (rest, window) in list(self._rests.items()):
            out += self._more(stream, rest, window + by)
        return out

    def _more(self, stream: int, rest: memoryview, window: int) -> list[bytes]:
        out = []
        while (size := min(len(rest), window, self.window, frames.LARGEST_FRAME)) > 0:
            out += [frames.head(size, frames.DATA, size == len(rest), stream), bytes(rest[:size])]
            rest = rest[size:]
            window -= size
            self.window -= size
        if rest:
            self._rests[stream] = rest, window
        else:
            self.drop(stream)
        return out


class Inflow:
    """What we have taken in; the other side is told in large pieces that it may send as much again."""

    def __init__(self) -> None:
        self._used: dict[int, int] = {}

    def take(self, stream: int, count: int) -> list[bytes]:
        """The frame that says so, when it is time."""
        used = self._used.get(stream, 0) + count
        self._used[stream] = used if used <= GIVE_BACK else 0
        return [frames.window_update(stream, used)] if used > GIVE_BACK else []

    def drop(self, stream: int) -> None:
        self._used.pop(stream, None)
