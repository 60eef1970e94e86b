"""What outlives a batch: kept connections, the addresses that were found, the rules about who may be contacted."""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Collection, Sequence

from delivery.addresses import Resolver, UnsafeAddress, check_push_address, origin_of, pinned
from delivery.wire.connection import Connection

ADDRESS_AGE = 300.0
MOST_KEPT = 200
SWEEP_EVERY = 10.0


class Pool:
    """Thread-safe: a connection belongs to one batch at a time. A child process never uses its parent's."""

    def __init__(
        self, *, exempt: Collection[str], roots: Sequence[bytes], resolver: Resolver, connections: int
    ) -> None:
        self.exempt = frozenset(exempt)
        self.connections = connections
        self.resolver = resolver
        self._roots = tuple(roots)
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._tls: ssl.SSLContext | None = None
        self._kept: dict[str, list[Connection]] = {}
        self._sweep_at = time.monotonic() + SWEEP_EVERY
        self._addresses: dict[str, tuple[float, list[str]]] = {}

    @property
    def tls(self) -> ssl.SSLContext:
        if self._tls is None:
            made = ssl.create_default_context()
            made.minimum_version = ssl.TLSVersion.TLSv1_2
            for root in self._roots:
                made.load_verify_locations(cadata=root.decode("ascii"))
            made.set_alpn_protocols(["h2", "http/1.1"])
            self._tls = made
        return self._tls

    def allow(self, url: str, *, public: bool) -> str:
        """The origin of what may be contacted: a known push service or, for `public`, any host; both over https on
        port 443 with a public address; or one that is exempt. Raises UnsafeAddress."""
        if not public:
            return check_push_address(url, exempt=self.exempt)
        origin = origin_of(url)
        if origin not in self.exempt and (not origin.startswith("https://") or ":" in origin[8:]):
            raise UnsafeAddress("Only https on port 443 is contacted.")
        return origin

    def known(self, origin: str) -> list[str]:
        """Addresses found not long ago."""
        until, found = self._addresses.get(origin, (0.0, []))
        return list(found) if until > time.monotonic() else []

    def find(self, origin: str, host: str, port: int) -> list[str]:
        """Every address of the host, after all of them were found public, unless it is exempt. May take long."""
        if origin in self.exempt:
            found = list(self.resolver(host, port))
        else:
            found = pinned(host, port, resolver=self.resolver)
        if not found:
            raise OSError(f"{host} has no address")
        self._addresses[origin] = (time.monotonic() + ADDRESS_AGE, found)
        return list(found)

    def prefer(self, origin: str, address: str | None) -> None:
        """This address answered: it comes first. None: none did, they are sought anew."""
        until, found = self._addresses.get(origin, (0.0, []))
        if address is None:
            self._addresses.pop(origin, None)
        elif found and found[0] != address and address in found:
            self._addresses[origin] = (until, [address, *(one for one in found if one != address)])

    def take(self, origin: str) -> Connection | None:
        """The kept connection that was used last and still lives, if there is one; it is the caller's until given back."""
        while True:
            self._leave_parent()
            with self._lock:
                kept = self._kept.get(origin)
                if not kept:
                    return None
                connection = kept.pop()
            connection.wake()
            if not connection.closed:
                return connection

    def give_back(self, origin: str, connection: Connection) -> None:
        now = connection.idle_since = time.monotonic()
        self._leave_parent()
        with self._lock:
            self._kept.setdefault(origin, []).append(connection)
            if now > self._sweep_at:
                self._sweep(now)

    def _sweep(self, now: float) -> None:
        """Once a while: close what was idle for too long, and the idlest of what is too much."""
        self._sweep_at = now + SWEEP_EVERY
        every = sorted(
            ((one.idle_since, origin, one) for origin, kept in self._kept.items() for one in kept),
            key=lambda one: one[0],
        )
        spare = len(every) - MOST_KEPT
        for place, (idle_since, origin, connection) in enumerate(every):
            if place < spare or now - idle_since > connection.longest_idle:
                self._kept[origin].remove(connection)
                connection.close()
        self._kept = {origin: kept for origin, kept in self._kept.items() if kept}

    def close(self) -> None:
        self._leave_parent()
        with self._lock:
            kept, self._kept = self._kept, {}
        for connections in kept.values():
            for connection in connections:
                connection.close()

    def _leave_parent(self) -> None:
        """After a fork: the parent's connections are closed here without a word, and its lock may never be let go."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._lock = threading.Lock()
            for connections in self._kept.values():
                for connection in connections:
                    connection.close(ours=False)
            self._kept = {}
