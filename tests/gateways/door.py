"""A door before a gateway, for what goes wrong below HTTP: it lets through, or is shut, rude or mute."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import Counter


class Door:
    """Listens on a port of its own. `mode`: "open" (to the gateway), "reset" (each connection, at once), "mute" (takes
    connections and says nothing), "shut" (nobody listens: the connection is refused)."""

    def __init__(self, gateway_port: int, *, host: str = "127.0.0.1") -> None:
        self.gateway_port = gateway_port
        self.host = host
        self.opened = 0
        self.carried: Counter[str] = Counter()  # bytes to the gateway, by who sent them
        self._mode = "open"
        self._held: list[socket.socket] = []
        self._listen(0)
        self.port: int = self._server.getsockname()[1]

    @property
    def mode(self) -> str:
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        was, self._mode = self._mode, mode
        if mode == "shut":
            self._server.close()
        elif was == "shut":
            self._listen(self.port)

    def _listen(self, port: int) -> None:
        self._server = socket.create_server((self.host, port), backlog=256)
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                taken, (peer, _) = server.accept()
            except OSError:
                return  # shut
            self.opened += 1
            if self._mode == "open":
                there = socket.create_connection(("127.0.0.1", self.gateway_port))
                threading.Thread(target=self._carry, args=(taken, there, peer), daemon=True).start()
                threading.Thread(target=self._carry, args=(there, taken, ""), daemon=True).start()
            elif self._mode == "mute":
                self._held.append(taken)
            else:
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                taken.close()

    def _carry(self, one: socket.socket, other: socket.socket, who: str) -> None:
        try:
            while data := one.recv(64 * 1024):
                other.sendall(data)
                self.carried[who] += len(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        time.sleep(0.1)
        one.close()

    def close(self) -> None:
        self.mode = "shut"
        for one in self._held:
            one.close()
