"""The only client that talks to the outside: pinned addresses, deadlines, no redirects, no proxies, exact proofs.

Nothing is repeated, with one exception: a request of which it is proved that it was not processed, because the
connection that we had kept from an earlier batch turned out to be closed, is sent once more on a fresh connection,
within the same deadline. HTTP/2 where the server offers it, else HTTP/1.1; delivery/wire holds the bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence

from delivery.addresses import Resolver, resolve
from delivery.wire.batch import Batch
from delivery.wire.exchange import Answer, Post, Proved
from delivery.wire.pool import Pool

__all__ = ["Answer", "Client", "Post", "Proved"]

DEADLINE = 10.0
LARGEST_BODY = 64 * 1024
CONNECTIONS = 8


class Client:
    """Sends batches. Thread-safe; keeps its connections for the life of the process, a forked child makes its own."""

    def __init__(
        self,
        *,
        exempt: Collection[str] = (),
        roots: Sequence[bytes] = (),
        resolver: Resolver = resolve,
        connections: int = CONNECTIONS,
    ) -> None:
        """`exempt` origins may be http, local and on any port; `roots` are further CA certificates (PEM).

        `connections`: how many at most to an origin that speaks HTTP/1.1, which carries one request at a time on each.
        """
        self._pool = Pool(exempt=exempt, roots=roots, resolver=resolver, connections=connections)

    def post_each(
        self,
        makers: Sequence[Callable[[], Post | None]],
        *,
        deadline: float = DEADLINE,
        until: float | None = None,
        public: bool = False,
        largest: int = LARGEST_BODY,
    ) -> list[Answer]:
        """Make and send each request; answers in the order given. All of the batch is held in memory.

        A request is made (encrypted) just before it is sent, while earlier ones are on their way. `deadline` is in
        seconds for the whole batch; `until` is a moment of time.monotonic() after which no request may begin (the
        lease). `public`: any public host may be contacted, not only push services. `largest`: bytes of an answer's
        body that are kept.
        """
        end = time.monotonic() + deadline
        batch = Batch(self._pool, latest=end if until is None else until, end=end, public=public, largest=largest)
        return batch.run(makers)

    def post(
        self, request: Post, *, deadline: float = DEADLINE, public: bool = False, largest: int = LARGEST_BODY
    ) -> Answer:
        """One request."""
        return self.post_each([lambda: request], deadline=deadline, public=public, largest=largest)[0]

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        deadline: float = DEADLINE,
        public: bool = False,
        largest: int = LARGEST_BODY,
    ) -> Answer:
        """Read a page. A redirect is an answer like any other: it is not followed."""
        request = Post(url, headers or {}, b"", method="GET")
        return self.post(request, deadline=deadline, public=public, largest=largest)

    def close(self) -> None:
        """Say goodbye on every connection. The client can be used again."""
        self._pool.close()
