"""A scripted gateway over HTTP/2 and TLS (on `h2`, which is strict): each request is answered by itself, by its script.

Steps: "200", "500"; "429:7" (Retry-After); "400:BadDeviceToken" (the gateway's own word, in its own form);
"reset-stream", "refused-stream" (this request alone; the second proves that it was not processed), "goaway" (this one
and later ones were not processed), "reset-after", "close-after" (the whole connection), "silence", "drip", "huge".
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import ssl
import struct
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError
from hyperframe.frame import GoAwayFrame

from tests.gateways.scripted import Script

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Request:
    connection: Connection
    stream: int
    headers: dict[str, str]
    at: float
    body: bytes = b""


@dataclass
class Streams(Script):
    """A gateway's state. Its kind says what a request is for, what is wrong with it, and in which form it answers."""

    goaway_says: str = ""
    connections: int = 0
    tasks: set[Any] = field(default_factory=set)

    def token_of(self, request: Request) -> str:
        """The device that the request is for; its script is played."""
        raise NotImplementedError

    def opened(self, request: Request) -> dict[str, Any]:
        """What the gateway finds in it: {"payload": …}, or {"error": …} and, where it would refuse it, {"refuse": step}."""
        raise NotImplementedError

    def said(self, status: int, argument: str, request: Request) -> Answer:
        """The answer to a step "status:argument"."""
        raise NotImplementedError

    async def answer(self, request: Request) -> None:
        if request.stream > request.connection.last:
            return  # not processed, as GOAWAY said
        token = self.token_of(request)
        step = self.step(token)
        found = self.opened(request) if self.check else {}
        refuse = found.pop("refuse", "")
        if refuse and step == "200":
            step = refuse
        if self.delay:
            await asyncio.sleep(self.delay)
        kind = found.pop("kind", "push")
        self.remember(
            kind=kind,
            token=token,
            at=request.at,
            step=step,
            headers=request.headers,
            connection=request.connection.number,
            **found,
        )
        await self.play(step, request)

    async def play(self, step: str, request: Request) -> None:
        connection, (name, _, argument) = request.connection, step.partition(":")
        if name.isdigit():
            connection.respond(request.stream, *self.said(int(name), argument, request))
        elif name == "reset-stream":
            connection.end(request.stream, ErrorCodes.INTERNAL_ERROR)
        elif name == "refused-stream":
            connection.end(request.stream, ErrorCodes.REFUSED_STREAM)
        elif name == "goaway":
            connection.go_away(request.stream - 2 if request.stream > 1 else 0, self.goaway_says.encode())
        elif name == "reset-after":
            raw = connection.transport.get_extra_info("socket")
            raw.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SOL_SOCKET, SO_LINGER: a reset, not a close
            connection.transport.abort()
        elif name == "close-after":
            connection.transport.close()
        elif name == "drip":
            await connection.drip(request.stream)
        elif name == "huge":
            await connection.drip(request.stream, b"x" * 16_000, pause=0)


class Connection(asyncio.Protocol):
    def __init__(self, service: Streams) -> None:
        self.service = service
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.open: dict[int, Request] = {}
        self.last = 2**31
        service.connections += 1
        self.number = service.connections

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.h2.initiate_connection()
        self.flush()

    def data_received(self, data: bytes) -> None:
        try:
            events = self.h2.receive_data(data)
        except ProtocolError as fault:
            self.service.remember(kind="fault", error=f"{type(fault).__name__}: {fault}")
            self.flush()
            self.transport.close()
            return
        for event in events:
            if isinstance(event, RequestReceived):
                self.open[event.stream_id] = Request(self, event.stream_id, dict(event.headers), time.monotonic())
            elif isinstance(event, DataReceived):
                self.open[event.stream_id].body += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                request = self.open.pop(event.stream_id)
                task = asyncio.ensure_future(self.service.answer(request))
                self.service.tasks.add(task)
                task.add_done_callback(self.service.tasks.discard)
        self.flush()

    def flush(self) -> None:
        data = self.h2.data_to_send()
        if data and not self.transport.is_closing():
            self.transport.write(data)

    def respond(self, stream: int, status: int, headers: dict[str, str], body: bytes) -> None:
        fields = [(":status", str(status)), ("date", email.utils.formatdate(usegmt=True)), *headers.items()]
        try:
            self.h2.send_headers(stream, fields, end_stream=not body)
            if body:
                self.h2.send_data(stream, body, end_stream=True)
        except ProtocolError:
            return  # the client gave it up
        self.flush()

    def end(self, stream: int, code: ErrorCodes) -> None:
        self.h2.reset_stream(stream, code)
        self.flush()

    def go_away(self, last: int, says: bytes) -> None:
        """Nothing after `last` was processed; what is still open before it is answered, then the connection closes."""
        self.last = min(self.last, last)
        frame = GoAwayFrame(0, last_stream_id=self.last, error_code=0, additional_data=says)
        self.transport.write(frame.serialize())
        asyncio.get_running_loop().call_later(0.5, self.transport.close)

    async def drip(self, stream: int, piece: bytes = b"x", *, pause: float = 0.5) -> None:
        """An answer without an end."""
        try:
            self.h2.send_headers(stream, [(":status", "200")])
            for _ in range(10_000):
                if self.h2.local_flow_control_window(stream) >= len(piece):
                    self.h2.send_data(stream, piece)
                    self.flush()
                await asyncio.sleep(pause or 0.001)
        except ProtocolError:
            pass  # the client gave it up


def retry_after(argument: str) -> dict[str, str]:
    """Retry-After, where a step's argument is a number or what a test wants to be read as one."""
    return {"retry-after": argument} if argument and not argument.isidentifier() else {}


async def serve(service: Streams, certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2"])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(service), "127.0.0.1", 0, ssl=context, backlog=1024)
    await service.serve(server)


def run(kind: type[Streams]) -> None:
    """`python -m tests.gateways.… LOG CERTIFICATE`."""
    asyncio.run(serve(kind(Path(sys.argv[1])), sys.argv[2]))


def error(problem: BaseException) -> dict[str, Any]:
    return {"error": f"{type(problem).__name__}: {problem}"}


def as_json(body: Any) -> bytes:
    return json.dumps(body).encode()
