"""One batch of requests, to any number of origins, in one thread that never waits for one of them alone."""

from __future__ import annotations

import queue
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from delivery.addresses import UnsafeAddress
from delivery.wire.exchange import Answer, Exchange, Post
from delivery.wire.lane import Lane
from delivery.wire.line import Line
from delivery.wire.pool import Pool

PIECE = 16 * 1024  # bytes of body made before they are sent: about one TLS record
GLANCE = 0.5  # seconds after which it is looked at what takes too long
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Batch:
    def __init__(self, pool: Pool, *, latest: float, end: float, public: bool, largest: int) -> None:
        """Nothing begins after `latest`, nothing is waited for after `end`: moments of time.monotonic()."""
        self._pool = pool
        self._latest = min(latest, end)
        self._end = end
        self._public = public
        self._largest = largest
        self._lanes: dict[str, Lane] = {}
        self._watched: dict[Line, int] = {}
        self._selector = selectors.DefaultSelector()
        self._found: queue.SimpleQueue[tuple[Lane, list[str] | Exception]] = queue.SimpleQueue()
        self._bell: tuple[socket.socket, socket.socket] | None = None

    def run(self, makers: Sequence[Callable[[], Post | None]]) -> list[Answer]:
        late = False
        try:
            made = self._make(makers)
            late = self._wait()
        finally:
            for lane in self._lanes.values():
                lane.finish(late=late)
            self._selector.close()
            if self._bell:
                self._bell[0].close()
        return [one if isinstance(one, Answer) else one.answer or Answer("not_begun") for one in made]

    def _make(self, makers: Sequence[Callable[[], Post | None]]) -> list[Exchange | Answer]:
        """Make each request and send it with its neighbours, while answers to earlier ones come in."""
        made: list[Exchange | Answer] = []
        size = 0
        for maker in makers:
            if time.monotonic() >= self._latest:
                made.append(Answer("not_begun"))
                continue
            post = maker()
            if post is None:
                made.append(Answer("not_begun", detail="there was nothing to send"))
                continue
            try:
                made.append(self._addressed(post))
            except UnsafeAddress as unsafe:
                made.append(Answer("unsafe", detail=str(unsafe)))
                continue
            size += len(post.body)
            if size > PIECE:
                size = 0
                self._turn(0)
        return made

    def _addressed(self, post: Post) -> Exchange:
        origin = self._pool.allow(post.url, public=self._public)
        lane = self._lanes.get(origin)
        if lane is None:
            lane = self._lanes[origin] = Lane(self._pool, origin, latest=self._latest, seek=self._seek)
        exchange = Exchange(post, "/" + post.url.split("/", 3)[3], self._largest)
        lane.waiting.append(exchange)
        return exchange

    def _wait(self) -> bool:
        """Until all is settled or the time is over; whether it was."""
        self._push()
        while any(lane.is_busy for lane in self._lanes.values()):
            now = time.monotonic()
            if now >= self._end:
                for lane in self._lanes.values():
                    lane.stop_beginning()
                return True
            until = self._end if now >= self._latest else self._latest
            self._turn(min(until - now, GLANCE))
        return False

    def _turn(self, wait: float) -> None:
        """Hear what has come, then send what can be sent."""
        if wait == 0:
            self._push()
        for key, mask in self._selector.select(wait):
            if key.data is None:
                key.fileobj.recv(64)  # type: ignore[union-attr]
            else:
                lane, line = key.data
                lane.on_event(line, readable=bool(mask & READ), writable=bool(mask & WRITE))
        while not self._found.empty():
            lane, found = self._found.get()
            if isinstance(found, UnsafeAddress):
                lane.fail(str(found), proved="unsafe")
            elif isinstance(found, Exception):
                lane.fail(f"the host's address was not found: {found}")
            else:
                lane.found(found)
        self._push()

    def _push(self) -> None:
        now = time.monotonic()
        for lane in self._lanes.values():
            lane.look(now)
            lane.push()
        self._watch()

    def _watch(self) -> None:
        """Closed lines out first: what was opened since may have their numbers."""
        for line in [one for one in self._watched if one.closed]:
            self._selector.unregister(line.socket)
            del self._watched[line]
        for lane in self._lanes.values():
            for line in (*lane.connections, *lane.opening):
                if line.closed:
                    continue
                mask = READ | WRITE if line.wants_to_send else READ
                watched = self._watched.get(line)
                if watched is None:
                    self._selector.register(line.socket, mask, (lane, line))
                elif watched != mask:
                    self._selector.modify(line.socket, mask, (lane, line))
                self._watched[line] = mask

    def _seek(self, lane: Lane) -> None:
        """Ask for the lane's addresses in a thread: a name server may be slow."""
        if self._bell is None:
            self._bell = socket.socketpair()
            self._selector.register(self._bell[0], READ, None)
        bell = self._bell[1]

        def ask() -> None:
            found: Any
            try:
                found = self._pool.find(lane.origin, lane.host, lane.port)
            except Exception as problem:
                found = problem
            self._found.put((lane, found))
            try:
                bell.send(b".")
            except OSError:
                pass  # the batch is over

        threading.Thread(target=ask, daemon=True, name=f"address of {lane.host}").start()
