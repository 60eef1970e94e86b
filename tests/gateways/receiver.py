"""A program that receives webhooks: real HTTPS on loopback, answers by script, checks signatures as docs/webhooks.md says."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.benchmarks.world import make_certificate


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        return list(json.loads(self.body)["events"])

    def is_genuine(self, secret: str, *, tolerance: int = 300) -> bool:
        """As a receiver checks it: the time is recent, and one of the signatures is ours."""
        parts = [part.split("=", 1) for part in self.headers["heed-signature"].split(",")]
        at = next(value for name, value in parts if name == "t")
        if abs(time.time() - int(at)) > tolerance:
            return False
        expected = hmac.new(secret.encode(), at.encode() + b"." + self.body, hashlib.sha256).hexdigest()
        return any(name == "v1" and hmac.compare_digest(value, expected) for name, value in parts)


@dataclass
class Receiver:
    """`script` is consumed from the left, then `default`: a status, or "silence", or (status, body, headers).
    Each answer takes `seconds`."""

    folder: Path
    script: list[Any] = field(default_factory=list)
    default: Any = 204
    seconds: float = 0.0
    received: list[Received] = field(default_factory=list)

    def start(self) -> Receiver:
        mine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                mine.received.append(Received(self.path, headers, body))
                step = mine.script.pop(0) if mine.script else mine.default
                time.sleep(mine.seconds)
                if step == "silence":
                    time.sleep(30)
                    return
                code, text, more = step if isinstance(step, tuple) else (step, "", {})
                self.send_response(code)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args: Any) -> None:
                pass

        make_certificate(self.folder)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "sink.pem")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.server.daemon_threads = True
        self.origin = f"https://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    @property
    def root(self) -> bytes:
        """Who signed its certificate."""
        return (self.folder / "ca.pem").read_bytes()

    def events(self) -> list[dict[str, Any]]:
        """Every event that came, in order, repeats included."""
        return [event for one in self.received for event in one.events]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
