"""What connections of HTTP/1.1 and HTTP/2 share: what has left, what may be said of the rest."""

from __future__ import annotations

import time

from delivery.wire.exchange import Exchange
from delivery.wire.line import Line

LONGEST_AGE = 3600.0


class Malformed(Exception):
    """The other side does not keep to its protocol."""


class Connection:
    """Carries exchanges. An exchange is settled here, or comes back in `again`, to be repeated on another connection.

    Only what is proved not to have been processed comes back, only from a connection that had been kept (it may have
    been closed long before we used it), and only once.
    """

    longest_idle = 60.0

    def __init__(self, line: Line, *, authority: str) -> None:
        self.line = line
        self.authority = authority
        self.born = self.idle_since = time.monotonic()
        self.kept = self.draining = self.closed = self.began_any = False
        self.again: list[Exchange] = []
        self.out: list[bytes] = []
        self._fresh: list[Exchange] = []
        self._leaving: list[Exchange] = []

    def room(self) -> int:
        """How many exchanges may begin now."""
        raise NotImplementedError

    @property
    def is_ready(self) -> bool:
        """Whether it has heard enough to carry exchanges."""
        return not self.closed

    @property
    def under_way(self) -> list[Exchange]:
        raise NotImplementedError

    def begin(self, exchange: Exchange) -> None:
        """Queue its bytes; flush() sends them."""
        raise NotImplementedError

    def hear(self, data: bytes) -> None:
        """Bytes that came. Raises Malformed."""
        raise NotImplementedError

    def forget(self) -> None:
        """Nothing is under way any more."""
        raise NotImplementedError

    def wake(self) -> None:
        """It was kept and is wanted again: see what came meanwhile."""
        self.kept = True
        now = time.monotonic()
        if now - self.born > LONGEST_AGE or now - self.idle_since > self.longest_idle:
            self.close()
        else:
            self.read()

    def queue(self, exchange: Exchange, *pieces: bytes) -> None:
        self.began_any = True
        self._fresh.append(exchange)
        self.out += pieces

    def flush(self) -> None:
        """Send what is queued, as far as the kernel takes it."""
        try:
            self.line.flush()
            self._mark()
            while self.out and not self.line.pending:
                data = b"".join(self.out)
                self.out.clear()
                self._leaving, self._fresh = self._fresh, []
                self.line.send(data)
                self._mark()
        except OSError as error:
            self._mark()
            # What had come before may still prove something.
            while not self.line.ended and (data := self.line.receive()):
                try:
                    self.hear(data)
                except Malformed:
                    break
            self.lose(str(error))

    def _mark(self) -> None:
        """Before every other piece: what the kernel took some of has begun."""
        if self._leaving and self.line.moved:
            for exchange in self._leaving:
                exchange.began = True
            self._leaving = []

    def read(self) -> None:
        """Take in what has come."""
        if self.closed:
            return
        data = self.line.receive()
        if data:
            try:
                self.hear(data)
            except Malformed as fault:
                self.lose(f"what came back is malformed: {fault}")
                return
        if self.line.ended:
            self.lose(self.line.why)
        elif self.out or self.line.pending:
            self.flush()

    def is_stuck(self) -> bool:
        """Whether something waits for the kernel of which not a byte has left."""
        return bool(self._leaving or self._fresh)

    def refuse(self, exchange: Exchange, detail: str) -> None:
        """It is proved that this exchange was not processed."""
        for held in (self._fresh, self._leaving):
            if exchange in held:
                held.remove(exchange)
        if self.kept and not exchange.repeated:
            exchange.repeated, exchange.began = True, False
            self.again.append(exchange)
        else:
            exchange.end("never_sent", detail)

    def lose(self, detail: str) -> None:
        """The connection is of no more use: what left on it is unknown, what did not is proved not to have been sent."""
        if self.closed:
            return
        self._mark()
        for exchange in self.under_way:
            if exchange.began or exchange.status:
                exchange.lose(detail)
            else:
                self.refuse(exchange, detail)
        self.forget()
        self.close()

    def close(self, *, ours: bool = True) -> None:
        self.closed = True
        self.line.close(ours=ours)
