"""The sink: HTTP/1.1 and, by ALPN, HTTP/2 over TLS, as little as it takes. Each answer names a message of its own."""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
import time

import hpack

LENGTH = re.compile(rb"(?i)content-length: *(\d+)")
PREFACE = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
# Streams at once: 128; a window of 1 MiB each; and one of about 1 GiB for the connection, given back as it is used.
GREETING = b"\0\0\x0c\x04\0\0\0\0\0" + b"\0\3\0\0\0\x80" + b"\0\4\0\x10\0\0" + b"\0\0\4\x08\0\0\0\0\0" + b"\x3f\0\0\0"
ACKNOWLEDGED = b"\0\0\0\x04\1\0\0\0\0"
GIVEN_BACK = 1 << 29
NAMED, TOKEN = b'{"name":"projects/shop-1/messages/%012d"}', b'{"access_token":"ya29.x","expires_in":3599}'


class Peer(asyncio.Protocol):
    taken = b"HTTP/1.1 201 Created\r\nLocation: /m/%012d\r\nTTL: 60\r\nContent-Length: 0\r\n\r\n"

    def __init__(self) -> None:
        self.held = b""
        self.read = self.http1
        self.count = self.used = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2":
            self.read = self.preface

    def data_received(self, data: bytes) -> None:
        self.held += data
        answers = self.read()
        if answers:
            self.transport.write(answers)  # type: ignore[attr-defined]

    def http1(self) -> bytes:
        answers = b""
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            found = LENGTH.search(self.held, 0, end)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self.held) < whole:
                break
            self.held = self.held[whole:]
            self.count += 1
            answers += self.taken % self.count
        return answers

    def preface(self) -> bytes:
        if len(self.held) < PREFACE:
            return b""
        self.held = self.held[PREFACE:]
        self.read = self.http2
        return GREETING + self.http2()

    def http2(self) -> bytes:
        answers, held, at = [], self.held, 0
        while len(held) - at >= 9:
            length = int.from_bytes(held[at : at + 3], "big")
            if len(held) < at + 9 + length:
                break
            kind, flags, stream = held[at + 3], held[at + 4], held[at + 5 : at + 9]
            if kind == HEADERS:
                self.asked(stream, flags, held[at + 9 : at + 9 + length])
            elif kind == DATA:
                self.used += length
            elif kind == SETTINGS and not flags & 1:
                answers.append(ACKNOWLEDGED)
            elif kind == PING and not flags & 1:
                answers.append(b"\0\0\x08\x06\1\0\0\0\0" + held[at + 9 : at + 17])
            if kind in (DATA, HEADERS) and flags & 1:
                answers.append(self.answer(stream))
            at += 9 + length
        self.held = held[at:]
        if self.used > GIVEN_BACK:
            answers.append(b"\0\0\4\x08\0\0\0\0\0" + self.used.to_bytes(4, "big"))
            self.used = 0
        return b"".join(answers)

    def asked(self, stream: bytes, flags: int, block: bytes) -> None:
        """The head of a request."""

    def answer(self, stream: bytes) -> bytes:
        self.count += 1
        block = b"\x20\x08\x03201\x0f\x1f\x0f/m/%012d\0\x03ttl\x0260" % self.count
        return b"\0\0" + bytes((len(block), HEADERS, 5)) + stream + block


class Apps(Peer):
    """FCM and APNs: 200, with what each must say back: the message's name, the same apns-id."""

    taken = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(NAMED % 1) + NAMED

    def __init__(self) -> None:
        super().__init__()
        self.decoder = hpack.Decoder()
        self.heads: dict[bytes, dict[str, str]] = {}

    def asked(self, stream: bytes, flags: int, block: bytes) -> None:
        self.heads[stream] = dict(self.decoder.decode(block[5:] if flags & 0x20 else block))

    def answer(self, stream: bytes) -> bytes:
        asked = self.heads.pop(stream)
        if "apns-id" in asked:
            said = b"\x88\0\x07apns-id" + bytes((len(asked["apns-id"]),)) + asked["apns-id"].encode()
            return b"\0\0" + bytes((len(said), HEADERS, 5)) + stream + said
        self.count += 1
        body = TOKEN if asked[":path"] == "/token" else NAMED % self.count
        head = b"\0\0\1" + bytes((HEADERS, 4)) + stream + b"\x88"
        return head + b"\0\0" + bytes((len(body), DATA, 1)) + stream + body


class Timed(Apps):
    """A push service that says on its standard output which path was asked, and when: "/push/7 1234.567" (monotonic)."""

    def answer(self, stream: bytes) -> bytes:
        sys.stdout.write(f"{self.heads.pop(stream)[':path']} {time.monotonic()}\n")
        sys.stdout.flush()
        return Peer.answer(self, stream)


KINDS = {"apps": Apps, "timed": Timed}


async def main(certificate: str, kind: type[Peer]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    server = await asyncio.get_running_loop().create_server(kind, "127.0.0.1", 0, ssl=context, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], KINDS[sys.argv[2]] if len(sys.argv) > 2 else Peer))
