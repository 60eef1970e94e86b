"""A real HTTP/2 server over TLS, played by a script: a function that is given each connection as a Peer.

On `h2`, which is strict: what our client does against the protocol is kept in `faults`.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, PingAckReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from tests.gateways.tls import TlsServer


@dataclass
class Request:
    connection: int
    stream: int
    headers: dict[str, str]
    body: bytes = b""
    is_whole: bool = False


class Gone(Exception):
    """The client closed the connection."""


class Peer:
    """One connection, seen from the server."""

    def __init__(self, server: Http2Server, wire: ssl.SSLSocket, number: int) -> None:
        self.server = server
        self.wire = wire
        self.number = number
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.open: dict[int, Request] = {}
        self.most_open = 0
        self.pongs = 0
        self.gives_back = True

    def greet(self, **settings: int) -> None:
        """Begin; settings such as max_concurrent_streams=1."""
        values = {SettingCodes[name.upper()]: value for name, value in settings.items()}
        self.h2.local_settings = Settings(client=False, initial_values=values)
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.wire.sendall(self.h2.data_to_send())

    def raw(self, data: bytes) -> None:
        """Bytes of our own making, past h2."""
        self.wire.sendall(data)

    def read(self) -> list[Any]:
        """Take in once what the client sent. Raises Gone."""
        data = self.wire.recv(65536)
        if not data:
            raise Gone
        events = self.h2.receive_data(data)
        for event in events:
            if isinstance(event, RequestReceived):
                self.open[event.stream_id] = Request(self.number, event.stream_id, dict(event.headers))
                self.server.requests.append(self.open[event.stream_id])
                self.most_open = max(self.most_open, len(self.open))
            elif isinstance(event, DataReceived):
                self.open[event.stream_id].body += event.data
                if self.gives_back:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                self.open[event.stream_id].is_whole = True
            elif isinstance(event, StreamReset):
                self.open.pop(event.stream_id, None)
            elif isinstance(event, PingAckReceived):
                self.pongs += 1
        self.flush()
        return events

    def wait(self, count: int) -> list[Request]:
        """Until so many requests are here as a whole, unanswered; in the order of their streams."""
        while len(found := [one for one in self.open.values() if one.is_whole]) < count:
            self.read()
        return found[:count]

    def answer(self, request: Request, status: int = 201, body: bytes = b"", **headers: str) -> None:
        del self.open[request.stream]
        fields = [(":status", str(status)), *((name.replace("_", "-"), value) for name, value in headers.items())]
        self.h2.send_headers(request.stream, fields, end_stream=not body)
        if body:
            self.h2.send_data(request.stream, body, end_stream=True)
        self.flush()

    def refuse(self, request: Request, code: int) -> None:
        """Reset its stream."""
        del self.open[request.stream]
        self.h2.reset_stream(request.stream, error_code=code)
        self.flush()

    def answer_all(self, status: int = 201) -> None:
        """For as long as the client stays."""
        while True:
            self.answer(self.wait(1)[0], status)

    def reset(self) -> None:
        """Break the connection off without a word."""
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.wire.close()


class Http2Server(TlsServer):
    """`behave(peer)` is run for each connection in a thread of its own; connections are numbered from 0."""

    def __init__(self, folder: Path, behave: Callable[[Peer], None], *, protocols: tuple[str, ...] = ("h2",)) -> None:
        self.requests: list[Request] = []
        self.peers: list[Peer] = []
        self.faults: list[str] = []
        self._behave = behave
        super().__init__(folder, protocols=protocols)

    @property
    def connections(self) -> int:
        return len(self.peers)

    def carry(self, wire: ssl.SSLSocket) -> None:
        wire.settimeout(30)
        peer = Peer(self, wire, len(self.peers))
        self.peers.append(peer)
        try:
            self._behave(peer)
        except (OSError, Gone):
            pass
        except ProtocolError as fault:
            self.faults.append(f"{type(fault).__name__}: {fault}")
        finally:
            wire.close()

    def stop(self) -> None:
        super().stop()
        for peer in self.peers:
            peer.wire.close()
