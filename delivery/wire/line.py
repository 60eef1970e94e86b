"""A TCP connection, with TLS over it unless plain, that never blocks."""

from __future__ import annotations

import os
import socket
import ssl

PIECE = 64 * 1024


class Line:
    """Opens by `advance`, then sends and receives. It raises OSError only while it opens and when it sends.

    `pending`: encrypted bytes that the kernel did not take yet; `moved`: it took some of the last piece that was sent.
    `ended`: nothing more will come, for the reason `why`.
    """

    def __init__(self, address: str, port: int, *, host: str, tls: ssl.SSLContext | None) -> None:
        self.opened = self.ended = self.closed = False
        self.moved = False
        self.pending = b""
        self.why = "the other side closed the connection"
        self._connected = False
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            self.socket.setblocking(False)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if tls is not None:
                self._tls = tls.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
            try:
                self.socket.connect((address, port))
            except BlockingIOError:
                pass
        except (OSError, ValueError):
            self.socket.close()
            raise

    @property
    def speaks_http2(self) -> bool:
        return self._tls is not None and self._tls.selected_alpn_protocol() == "h2"

    @property
    def wants_to_send(self) -> bool:
        return not self._connected or bool(self.pending)

    def advance(self, *, writable: bool) -> None:
        """Carry on with opening; sets `opened`. Raises OSError where that failed."""
        if not self._connected:
            if not writable:
                return
            error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, os.strerror(error))
            self._connected = True
        if self._tls is not None:
            self._shake_hands()
        else:
            self.opened = True

    def _shake_hands(self) -> None:
        assert self._tls is not None
        self.flush()
        while not self.opened:
            try:
                self._tls.do_handshake()
                self.opened = True
            except ssl.SSLWantReadError:
                self._push()
                try:
                    data = self.socket.recv(PIECE)
                except BlockingIOError:
                    return
                if not data:
                    raise ConnectionAbortedError("the other side closed the connection in the TLS handshake") from None
                self._incoming.write(data)
        self._push()

    def _push(self) -> None:
        if self._outgoing.pending:
            self.pending += self._outgoing.read()
            self.flush()

    def send(self, data: bytes) -> None:
        """Only when nothing is pending. Raises OSError; `moved` then says whether a byte of it left."""
        self.moved = False
        if self._tls is not None:
            self._tls.write(data)
            data = self._outgoing.read()
        self.pending = data
        self.flush()

    def flush(self) -> None:
        if self.pending:
            try:
                count = self.socket.send(self.pending)
            except BlockingIOError:
                return
            self.moved = True
            self.pending = self.pending[count:]

    def receive(self) -> bytes:
        """What has come; empty where nothing has. Sets `ended`, never raises."""
        data = b""
        try:
            data = self.socket.recv(PIECE)
            self.ended = not data
        except BlockingIOError:
            pass
        except OSError as error:
            self.ended, self.why = True, str(error)
        return data if self._tls is None else self._decrypted(data)

    def _decrypted(self, data: bytes) -> bytes:
        assert self._tls is not None
        self._incoming.write(data)
        pieces = []
        try:
            while self._incoming.pending:
                piece = self._tls.read(PIECE)
                if not piece:
                    self.ended = True
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except OSError as error:
            self.ended, self.why = True, str(error)
        if self._outgoing.pending and not self.ended:
            self.pending += self._outgoing.read()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self, *, last: bytes = b"", ours: bool = True) -> None:
        """Say goodbye where that is possible at once. `ours` is false in a process that inherited the connection."""
        if ours and self.opened and not self.ended and not self.pending:
            try:
                if last:
                    self.send(last)
                if self._tls is not None and not self.pending:
                    try:
                        self._tls.unwrap()
                    except ssl.SSLWantReadError:
                        pass
                    self.socket.send(self._outgoing.read())
            except OSError:
                pass
        self.ended = self.closed = True
        self.socket.close()
