"""All requests of one batch to one origin: which connection carries which, and when to open another."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable

from delivery.addresses import UnsafeAddress, check_public
from delivery.wire.connection import Connection
from delivery.wire.exchange import Exchange, Proved
from delivery.wire.http1 import Http1
from delivery.wire.http2 import Http2
from delivery.wire.line import Line
from delivery.wire.pool import Pool

MOST_HTTP2 = 4
PATIENCE = 3.0  # seconds for a connection to open or to answer a PING, where there is something else to try

_ORIGIN = re.compile(r"(https?)://(\[[^\]]+\]|[^:]+)(?::(\d+))?")


class Lane:
    def __init__(self, pool: Pool, origin: str, *, latest: float, seek: Callable[[Lane], None]) -> None:
        """Nothing begins after `latest`, a moment of time.monotonic().

        `seek` finds the lane's addresses in a thread; found() or failed() is then called in the loop's.
        """
        scheme, host, port = _ORIGIN.fullmatch(origin).groups()  # type: ignore[union-attr]
        self.pool = pool
        self.origin = origin
        self.host = host.strip("[]")
        self.port = int(port or (443 if scheme == "https" else 80))
        self.authority = f"{host}:{port}" if port else host
        self.is_https = scheme == "https"
        self.waiting: deque[Exchange] = deque()
        self.connections: dict[Line, Connection] = {}
        self.opening: dict[Line, tuple[str, float]] = {}  # line: its address, and until when to wait for it
        self._latest = latest
        self._seek = seek
        self._seeking = False
        self._addresses: list[str] | None = None
        self._why = ""  # no further connection can be had
        self._speaks: type[Connection] | None = None if self.is_https else Http1
        self._pinging: dict[Connection, float] = {}

    @property
    def is_busy(self) -> bool:
        return bool(self.waiting) or any(one.under_way for one in self.connections.values())

    def push(self) -> None:
        """Begin what can begin, send what is queued, take or open the connections that are missing."""
        self._stop_if_late()
        self._begin()
        while self.waiting and self._wants_another():
            kept = self.pool.take(self.origin)
            if kept is not None:
                self._speaks = type(kept)
                self.connections[kept.line] = kept
                if not kept.is_ready:
                    self._pinging[kept] = time.monotonic() + PATIENCE
                self._begin()
            elif self._addresses or self._find():
                assert self._addresses
                self._open(self._addresses[0])
            else:
                return

    def _begin(self) -> None:
        for connection in list(self.connections.values()):
            while self.waiting and connection.room() > 0:
                exchange = self.waiting.popleft()
                try:
                    connection.begin(exchange)
                except ValueError as invalid:
                    exchange.end("unsafe", str(invalid))
            self._stop_if_late()
            if not connection.closed and (connection.out or connection.line.pending):
                connection.flush()
        self.sweep()

    def _stop_if_late(self) -> None:
        """Asked right before bytes leave: a process can be stopped at any line, and wake up when its lease is over."""
        if time.monotonic() >= self._latest:
            self.stop_beginning()

    def sweep(self) -> None:
        """Take out connections that ended; what they proved not to have sent goes first."""
        for connection in [one for one in self.connections.values() if one.closed or one.again]:
            self.waiting.extendleft(reversed(connection.again))
            connection.again = []
            if connection.closed:
                del self.connections[connection.line]
                if self.waiting and not connection.kept and not connection.began_any:
                    self._refused(connection.line.why)

    def _wants_another(self) -> bool:
        if self._why or self._seeking:
            if self._why and not self.connections and not self.opening:
                self.fail(self._why)
            return False
        if self._speaks is None or self._speaks is Http2:
            fit = [one for one in self.connections.values() if not one.draining]
            narrow = all(isinstance(one, Http2) and one.is_narrow for one in fit)
            return not self.opening and narrow and len(fit) < MOST_HTTP2
        free = self.pool.connections - len(self.connections)
        return len(self.opening) < min(free, len(self.waiting))

    def _find(self) -> bool:
        """Whether the lane has addresses now; else it has failed, or they are being sought."""
        known = self.pool.known(self.origin)
        if known:
            self._addresses = known
        elif self._is_address():
            try:
                if self.origin not in self.pool.exempt:
                    check_public(self.host)
                self._addresses = [self.host]
            except UnsafeAddress as unsafe:
                self.fail(str(unsafe), proved="unsafe")
        else:
            self._seeking = True
            self._seek(self)
        return self._addresses is not None

    def _is_address(self) -> bool:
        return ":" in self.host or re.fullmatch(r"[\d.]+", self.host) is not None

    def found(self, addresses: list[str]) -> None:
        self._seeking = False
        self._addresses = addresses

    def _open(self, address: str) -> None:
        try:
            line = Line(address, self.port, host=self.host, tls=self.pool.tls if self.is_https else None)
        except (OSError, ValueError) as error:
            self._not_opened(address, str(error))
            return
        patience = PATIENCE if len(self._addresses or ()) > 1 else 3600.0
        self.opening[line] = (address, time.monotonic() + patience)

    def on_event(self, line: Line, *, readable: bool, writable: bool) -> None:
        self._stop_if_late()
        connection = self.connections.get(line)
        if connection is not None:
            if writable:
                connection.flush()
            if readable:
                connection.read()
        elif line in self.opening:
            self._advance(line, writable=writable)

    def _advance(self, line: Line, *, writable: bool) -> None:
        """An opening line has news."""
        address, _ = self.opening[line]
        try:
            line.advance(writable=writable)
        except OSError as error:
            del self.opening[line]
            line.close()
            self._not_opened(address, str(error))
            return
        if line.opened:
            del self.opening[line]
            self.pool.prefer(self.origin, address)
            self._speaks = Http2 if line.speaks_http2 else Http1
            connection = self._speaks(line, authority=self.authority)
            self.connections[line] = connection
            connection.flush()
            connection.read()

    def _not_opened(self, address: str, why: str) -> None:
        """On to the next address, if there is one that was not tried."""
        if self._addresses and address in self._addresses:
            self._addresses.remove(address)
        if not self._addresses:
            self._refused(why)

    def _refused(self, why: str) -> None:
        self._why = self._why or why or "no connection could be made"
        self.pool.prefer(self.origin, None)
        if not self.connections and not self.opening:
            self.fail(self._why)

    def fail(self, why: str, *, proved: Proved = "never_sent") -> None:
        self._seeking = False
        self._why = self._why or why
        while self.waiting:
            self.waiting.popleft().end(proved, why)

    def look(self, now: float) -> None:
        """Lose patience with what takes too long to open or to answer a PING."""
        for line, (address, until) in list(self.opening.items()):
            if now > until:
                del self.opening[line]
                line.close()
                self._not_opened(address, "the connection was not made in time")
        for connection, until in list(self._pinging.items()):
            if connection.is_ready or connection.closed:
                del self._pinging[connection]
            elif now > until:
                connection.lose("it did not answer a PING")

    def stop_beginning(self) -> None:
        """The lease or the deadline has passed: what waits is not begun any more."""
        is_reached = any(one.is_ready for one in self.connections.values())
        for connection in self.connections.values():
            if connection.is_stuck():
                connection.lose("it took nothing in before the lease ended")
        self.sweep()
        while self.waiting:
            exchange = self.waiting.popleft()
            if is_reached:
                exchange.end("not_begun", "")
            else:
                exchange.end("never_sent", "no connection was made in time")

    def finish(self, *, late: bool) -> None:
        """The batch is over: unanswered requests are given up, connections kept for the next batch or closed."""
        for line in self.opening:
            line.close()
        for connection in self.connections.values():
            if connection.under_way:
                connection.lose("there was no answer in time" if late else "the batch was broken off")
            elif connection.draining or not connection.is_ready:
                connection.close()
            if not connection.closed:
                self.pool.give_back(self.origin, connection)
