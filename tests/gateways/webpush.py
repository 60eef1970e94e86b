"""A scripted push service over HTTP/1.1: truly decrypts what it gets (`python -m tests.gateways.webpush LOG`)."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import struct
import sys
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import http_ece
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.gateways.scripted import Running, Script, check_es256, decoded, parts

SEED = 0x5EED
AUTH = b"0123456789abcdef"


@cache
def private_key(number: int) -> ec.EllipticCurvePrivateKey:
    """Devices share a few keys, so that making thousands of them costs nothing."""
    return ec.derive_private_key(SEED + number % 16, ec.SECP256R1())


@cache
def p256dh(number: int) -> str:
    point = private_key(number % 16).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return urlsafe_b64encode(point).rstrip(b"=").decode()


@dataclass(frozen=True)
class Subscription:
    number: int
    endpoint: str
    p256dh: str
    auth: str


@dataclass
class Service(Script):
    """The server's state; where nothing is scripted it says 201."""

    default: str = "201"

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                began = time.monotonic()
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                if not await self.answer(head.decode("latin-1"), body, began, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def answer(self, head: str, body: bytes, began: float, writer: asyncio.StreamWriter) -> bool:
        request, *lines = head.rstrip().split("\r\n")
        path = request.split(" ")[1]
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        token = path.rpartition("/")[2]
        step = self.step(token)
        found = opened(path, headers, body) if self.check else {}
        if self.delay:
            await asyncio.sleep(self.delay)
        self.remember(token=token, at=began, step=step, headers=headers, **found)
        return await play(step, writer)


def opened(path: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """What a push service and a device would find in it: {"payload"} or {"error"}."""
    try:
        token = path.rpartition("/")[2]
        number = int(token.partition("-")[0])
        text = http_ece.decrypt(body, private_key=private_key(number % 16), auth_secret=AUTH)
        check_vapid(headers["authorization"], headers["host"])
        assert headers["content-encoding"] == "aes128gcm"
        assert headers["ttl"].isdigit()
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,32}", headers.get("topic", "x"))
        assert headers.get("urgency", "normal") in {"very-low", "low", "normal", "high"}
        return {"payload": json.loads(text)}
    except (AssertionError, KeyError, ValueError, InvalidSignature, http_ece.ECEException) as problem:
        return {"error": f"{type(problem).__name__}: {problem}"}


@cache
def check_vapid(authorization: str, host: str) -> None:
    """RFC 8292: `vapid t=<JWT>, k=<public key>`, signed with ES256, for this origin, for at most 24 hours."""
    found = re.fullmatch(r"vapid t=([^,]+), ?k=(.+)", authorization)
    assert found, authorization
    header, claims, signed, signature = parts(found[1])
    assert header["alg"] == "ES256"
    assert claims["aud"].partition("://")[2] == host, claims["aud"]
    assert time.time() < claims["exp"] <= time.time() + 24 * 3600
    assert claims["sub"].startswith(("mailto:", "https:"))
    check_es256(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded(found[2])), signed, signature)


async def play(step: str, writer: asyncio.StreamWriter) -> bool:
    """Carry out one step of a script; whether the connection may go on."""
    name, _, argument = step.partition(":")
    if name.isdigit():
        number = argument.removeprefix("errno ") if name == "400" or argument.startswith("errno ") else ""
        extra = f"Retry-After: {argument}\r\n" if argument and not number else ""
        body = json.dumps({"errno": int(number)}) if number.isdigit() else number
        if name == "201":
            extra = "Location: https://push.example/m/1\r\nTTL: 60\r\n"
        if name in {"301", "302", "307", "308"}:
            extra = f"Location: {argument}\r\n"
        writer.write(f"HTTP/1.1 {name} Scripted\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        return True
    if name == "reset-after":
        raw = writer.get_extra_info("socket")
        raw.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SOL_SOCKET, SO_LINGER: a reset, not a close
        writer.transport.abort()
    elif name == "close-after":
        writer.close()
    elif name == "silence":
        await asyncio.sleep(60)
    elif name == "drip":
        for byte in b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.5)
        return True
    elif name == "drip-body":
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.5)
    elif name == "huge":
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x" * 100_000)
            await writer.drain()
    return False


async def serve(log: Path, certificate: str) -> None:
    service = Service(log)
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    await service.serve(await asyncio.start_server(service.connection, "127.0.0.1", 0, ssl=context, backlog=1024))


class PushService(Running):
    """A running push service, as tests see it."""

    module = "tests.gateways.webpush"

    def subscribe(self, count: int, *, first: int = 0, name: str = "device") -> list[Subscription]:
        auth = urlsafe_b64encode(AUTH).rstrip(b"=").decode()
        return [Subscription(n, f"{self.origin}/push/{n}-{name}", p256dh(n), auth) for n in range(first, first + count)]


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""))
