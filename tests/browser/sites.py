"""Two real servers for the browser: a foreign site that embeds Heed under a strict policy, and a door in front of Heed
that records what passes and can be told to stay shut."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(handler: type[_Handler]) -> tuple[ThreadingHTTPServer, str]:
    """A running server on a free port, and its origin. Stop it with shutdown() and server_close()."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}"


@dataclass
class Door:
    """In front of a real Heed at `behind` (host:port): passes everything on and keeps it in `passed`.

    What was only asked for is in `fetched`. `shut[path] = n` answers 503 to the next n requests to that path, and
    passes none of them on.
    """

    behind: str
    passed: list[tuple[str, Any]] = field(default_factory=list)
    shut: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    origin: str = ""

    def start(self) -> ThreadingHTTPServer:
        door = self

        class Handler(_Handler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.partition("?")[0]
                allow = {"Access-Control-Allow-Origin": self.headers.get("Origin") or "*"}
                if door.shut.get(path, 0) > 0:
                    door.shut[path] -= 1
                    door.refused.append(path)
                    self.reply(503, b"", allow)
                    return
                onward = http.client.HTTPConnection(door.behind, timeout=20)
                onward.request(self.command, self.path, body or None, dict(self.headers))
                answer = onward.getresponse()
                said = answer.read()
                if self.command == "POST":
                    door.passed.append((path, json.loads(body)))
                else:
                    door.fetched.append(path)
                skipped = {"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"}
                self.reply(answer.status, said, {n: v for n, v in answer.getheaders() if n.lower() not in skipped})

            do_GET = do_OPTIONS = do_HEAD = do_POST

        server, self.origin = serve(Handler)
        return server

    def to(self, path: str) -> list[Any]:
        """The bodies that passed to a path, in their order."""
        return [body for where, body in list(self.passed) if where == path]

    def calls(self, kind: str = "") -> list[dict[str, Any]]:
        """The calls in the batches that passed."""
        found = [call for batch in self.to("/v1/batch") for call in batch["batch"]]
        return [call for call in found if not kind or call["type"] == kind]

    def receipts(self) -> list[tuple[str, str]]:
        """(push, kind) of each receipt that passed."""
        return [(one["push"], one["kind"]) for batch in self.to("/v1/receipts") for one in batch]


@dataclass
class Site:
    """A shop elsewhere. Each page has one script tag with `tag`'s attributes; at its root lies one worker file."""

    host: str
    tag: dict[str, str] = field(default_factory=dict)
    worker: str = ""
    origin: str = ""
    visited: list[str] = field(default_factory=list)

    def start(self) -> ThreadingHTTPServer:
        site = self

        class Handler(_Handler):
            def do_GET(self) -> None:
                # The strictest policy that the guide asks for: no inline script or style, nobody but Heed.
                policy = {
                    "Content-Security-Policy": f"default-src 'none'; script-src 'self' {site.host}; "
                    f"connect-src {site.host}; worker-src 'self'; base-uri 'none'; require-trusted-types-for 'script'"
                }
                if self.path == "/heed-sw.js":
                    file = site.worker or f'importScripts("{site.host}/heed-sw.js")'
                    # Trusted types would stop importScripts, which takes no policy: a worker has a policy of its own.
                    own = f"default-src 'none'; script-src {site.host}; connect-src {site.host}; img-src 'self'"
                    self.reply(200, file.encode(), {"Content-Type": "text/javascript", "Content-Security-Policy": own})
                    return
                if self.path == "/favicon.ico":
                    self.reply(404, b"", {})
                    return
                site.visited.append(self.path)
                self.reply(200, site.page().encode(), {"Content-Type": "text/html; charset=utf-8", **policy})

        server, self.origin = serve(Handler)
        return server

    def page(self) -> str:
        attributes = "".join(f' data-{name}="{value}"' for name, value in self.tag.items())
        return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>A shop</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<script src="{self.host}/heed.js"{attributes} defer></script>
<body><h1>A shop</h1><p>Mugs, jugs and plates.</p><button id="news">Keep me posted</button>
<label>Search <input id="search"></label></body></html>"""


def until(holds: Callable[[], Any], *, seconds: float = 10, page: Any = None) -> Any:
    """What `holds` returns once it is true; fails after so many seconds. Give the page, so that its events go on."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "it did not come true in time"
        if page is not None:
            page.wait_for_timeout(30)
        else:
            time.sleep(0.03)
    return found
