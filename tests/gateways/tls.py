"""TLS servers on loopback, each connection in a thread of its own: what they answer is whatever a test wants."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path


class TlsServer:
    """`carry` is run for each connection, once it is open."""

    def __init__(self, folder: Path, *, protocols: tuple[str, ...]) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "sink.pem")
        self._context.set_alpn_protocols(list(protocols))
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.origin = f"https://localhost:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.carry(self._context.wrap_socket(plain, server_side=True))
        except OSError:
            plain.close()

    def carry(self, wire: ssl.SSLSocket) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        self._socket.close()


class RawServer(TlsServer):
    """Reads until the client has been quiet for a moment, sends `answer`, closes. HTTP/2 by ALPN where `http2`."""

    def __init__(self, folder: Path, *, http2: bool) -> None:
        self.answer = b""
        self._http2 = http2
        super().__init__(folder, protocols=("h2" if http2 else "http/1.1",))

    def carry(self, wire: ssl.SSLSocket) -> None:
        with wire:
            if self._http2:
                wire.sendall(b"\0\0\0\4\0\0\0\0\0")  # settings, all as they are by default
            seen = b""
            while b"the end" not in seen:
                seen += wire.recv(65536) or b"the end"
            wire.sendall(self.answer)
            wire.unwrap()
