"""The only client that talks to the outside: pinned addresses, deadlines, no redirects, no proxies, no repeats.

On pyreqwest, kept behind this module alone. Its errors prove little: only a failure to connect (its cause reads
"client error (Connect)") proves that nothing was sent. A reset after the request also raises ConnectError, silence
after writing raises ConnectTimeoutError; everything but that one cause is therefore "unknown".
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

from pyreqwest.client import SyncClient, SyncClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError, PyreqwestError

from delivery.addresses import Resolver, UnsafeAddress, origin_of, pinned, resolve

THREADS = 8
DEADLINE = 10.0
LARGEST_BODY = 64 * 1024
CLIENT_AGE = 300.0

Proved = Literal["answered", "never_sent", "not_begun", "unknown", "unsafe"]


@dataclass(frozen=True, slots=True)
class Post:
    """One request. `url` is the receiver's; headers are ours."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of one request afterwards.

    answered: status, headers and at most 64 KB of body. never_sent: no byte reached the receiver. not_begun: the
    deadline or the lease had passed before we tried. unsafe: the address may not be contacted. unknown: anything else.
    """

    proved: Proved
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    detail: str = ""


class Client:
    """Posts batches. Thread-safe; keeps one connection pool an origin for the life of the process."""

    def __init__(
        self,
        *,
        exempt: Collection[str] = (),
        roots: Sequence[bytes] = (),
        resolver: Resolver = resolve,
        threads: int = THREADS,
    ) -> None:
        """`exempt` origins may be http, local and on any port; `roots` are further CA certificates (PEM)."""
        self._exempt = frozenset(exempt)
        self._roots = tuple(roots)
        self._resolver = resolver
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._clients: dict[str, tuple[float, SyncClient]] = {}
        self._lock = threading.Lock()

    def post_each(
        self,
        makers: Sequence[Callable[[], Post | None]],
        *,
        deadline: float = DEADLINE,
        until: float | None = None,
    ) -> list[Answer]:
        """Make and post each request, in threads; answers in the order given.

        A request is made (encrypted) in the thread that posts it. `deadline` is in seconds for the whole batch;
        `until` is a moment of time.monotonic() after which no request may begin (the lease).
        """
        end = time.monotonic() + deadline
        latest = min(end, until) if until is not None else end
        if len(makers) == 1:
            return [self._one(makers[0], latest, end)]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="post")
        return list(self._pool.map(lambda maker: self._one(maker, latest, end), makers))

    def post(self, request: Post, *, deadline: float = DEADLINE) -> Answer:
        """One request in this thread."""
        end = time.monotonic() + deadline
        return self._one(lambda: request, end, end)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        self._clients.clear()

    def _one(self, maker: Callable[[], Post | None], latest: float, end: float) -> Answer:
        if time.monotonic() >= latest:
            return Answer("not_begun")
        request = maker()
        if request is None:
            return Answer("not_begun", detail="there was nothing to send")
        try:
            client = self._client_for(request.url)
        except UnsafeAddress as unsafe:
            return Answer("unsafe", detail=str(unsafe))
        except OSError as problem:
            return Answer("never_sent", detail=f"the host's address was not found: {problem}")
        left = end - time.monotonic()
        if left <= 0 or time.monotonic() >= latest:
            return Answer("not_begun")
        streamed = (
            client.post(request.url)
            .headers(request.headers)
            .body_bytes(request.body)
            .timeout(dt.timedelta(seconds=left))
            .streamed_read_buffer_limit(LARGEST_BODY)
            .build_streamed()
        )
        try:
            with streamed as response:
                status, headers = response.status, dict(response.headers)
                try:
                    body = bytes(response.body_reader.read(LARGEST_BODY) or b"")
                except PyreqwestError:
                    body = b""  # the answer is in the status; a body that breaks off changes nothing
                return Answer("answered", status, headers, body)
        except DetailedPyreqwestError as error:
            return _failed(error)
        except PyreqwestError as error:
            return Answer("unknown", detail=str(error)[:300])

    def _client_for(self, url: str) -> SyncClient:
        """The origin's client, pinned to an address that was checked; renewed by age, since addresses change."""
        origin = origin_of(url)
        kept = self._clients.get(origin)
        if kept and kept[0] > time.monotonic():
            return kept[1]
        with self._lock:
            kept = self._clients.get(origin)
            if kept and kept[0] > time.monotonic():
                return kept[1]
            client = self._build(origin)
            self._clients[origin] = (time.monotonic() + CLIENT_AGE, client)
            return client

    def _build(self, origin: str) -> SyncClient:
        builder = (
            SyncClientBuilder()
            .http1_only()
            .follow_redirects(False)
            .no_proxy()
            .error_for_status(False)
            .default_cookie_store(False)
            .pool_idle_timeout(dt.timedelta(seconds=60))
            .pool_max_idle_per_host(self._threads)
            .tcp_nodelay(True)
            .user_agent("Heed")
        )
        for root in self._roots:
            builder = builder.add_root_certificate_pem(root)
        if origin not in self._exempt:
            host = origin.removeprefix("https://")
            if host == origin or ":" in host:
                raise UnsafeAddress("Only https on port 443 is contacted.")
            builder = builder.https_only(True).resolve(host, pinned(host, 443, resolver=self._resolver), 443)
        return builder.build()


def _failed(error: DetailedPyreqwestError) -> Answer:
    causes = [str(cause["message"]) for cause in error.details.get("causes") or []]
    proved: Proved = "never_sent" if "client error (Connect)" in causes else "unknown"
    return Answer(proved, detail=": ".join(causes[1:]) or str(error))
