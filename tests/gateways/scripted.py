"""What every scripted gateway is: a process of its own that answers by script and remembers every request.

It outlives the workers that drills kill, and its log is the only source of truth for duplicates. Steer it over HTTP on
its control port: what is posted there as JSON becomes its state.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import subprocess
import sys
import urllib.request
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256


@dataclass
class Script:
    """A gateway's state. `scripts[token]` is consumed from the left; its last entry repeats."""

    log: Path
    scripts: dict[str, list[str]] = field(default_factory=dict)
    default: str = "200"
    delay: float = 0.0
    check: bool = True

    def step(self, token: str) -> str:
        script = self.scripts.get(token, [self.default])
        # "201|500" is one of the two, by chance.
        return random.choice((script.pop(0) if len(script) > 1 else script[0]).split("|"))

    def remember(self, **entry: Any) -> None:
        with self.log.open("a") as file:
            file.write(json.dumps({"pid": os.getpid(), **entry}) + "\n")

    async def steered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request on the control port."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b"{}"
        said = json.loads(body)
        if said.pop("afresh", False):
            self.__dict__.update({key: value for key, value in type(self)(self.log).__dict__.items() if key != "tasks"})
        self.__dict__.update(said)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    async def serve(self, server: asyncio.Server) -> None:
        """Say on which ports we are, and stay."""
        control = await asyncio.start_server(self.steered, "127.0.0.1", 0)
        ports = [one.sockets[0].getsockname()[1] for one in (server, control)]
        sys.stdout.write(f"{ports[0]} {ports[1]}\n")
        sys.stdout.flush()
        async with server, control:
            await asyncio.gather(server.serve_forever(), control.serve_forever())


class Running:
    """A running gateway, as tests see it. `module` is what to run; `certificate` the file with its leaf and key."""

    module = ""

    def __init__(self, log: Path, *, certificate: Path | str = "") -> None:
        self.log = log
        self.log.touch()
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module, str(log), str(certificate)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        )
        assert self.process.stdout is not None
        self.port, self._control = map(int, self.process.stdout.readline().split())
        self.origin = f"https://localhost:{self.port}" if certificate else f"http://127.0.0.1:{self.port}"

    def control(self, **state: Any) -> None:
        """Set scripts, default, delay or check, and what else its state holds."""
        data = json.dumps(state).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self._control}/", data=data, method="POST")
        urllib.request.urlopen(request, timeout=5).read()

    def start_afresh(self) -> None:
        """As it was when it started, for another test."""
        self.control(afresh=True)
        self.forget()

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The pushes that came, in order."""
        return [one for one in self._entries() if one.get("kind", "push") == "push"]

    @property
    def mints(self) -> list[dict[str, Any]]:
        """The tokens that were asked for."""
        return [one for one in self._entries() if one.get("kind") == "mint"]

    def _entries(self) -> list[dict[str, Any]]:
        # What is still being written ends in the midst of a line.
        return [json.loads(line) for line in self.log.read_text().rpartition("\n")[0].splitlines()]

    def forget(self) -> None:
        self.log.write_text("")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    close = stop


def decoded(text: str) -> bytes:
    """base64url, with or without padding."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Of a JWT: its header, its claims, what is signed, and the signature."""
    signed, _, signature = token.rpartition(".")
    header, claims = (json.loads(decoded(part)) for part in signed.split("."))
    return header, claims, signed.encode(), decoded(signature)


def check_es256(key: ec.EllipticCurvePublicKey, signed: bytes, signature: bytes) -> None:
    """RFC 7518, 3.4. Raises InvalidSignature."""
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
