"""The demo's push service: takes real, encrypted web pushes for the simulated devices and answers as devices would.

It decrypts each push with the device's own key, and what the device then does (shows it, clicks, dismisses, buys)
goes back through the same public endpoints that real browsers and servers use. It listens on loopback only.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import heapq
import itertools
import json
import re
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import http_ece

from console.demo.assortment import PRODUCTS
from console.demo.behaviour import Deed, order
from console.demo.people import SEED, auth_secret, everyone, private_key

PATH = re.compile(rb"/push/(\d+)")
GONE, SHOWN, CLICKED, DISMISSED = 0.006, 0.90, 0.09, 0.17
BOUGHT_AFTER_CLICK = 0.22
POST_EVERY = 0.5
RECEIPTS_A_POST = 500


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a simulated device or its person will do: a receipt, or an event."""

    receipt: dict[str, str] | None = None
    deed: Deed | None = None


def reactions(payload: dict[str, Any], person: int, *, now: float, random: Random) -> Iterator[tuple[float, Reaction]]:
    """(when, what) for one push that arrived; times in seconds of the epoch. Nothing at all where it is not shown."""
    if random.random() > SHOWN:
        return
    at = now + random.expovariate(1 / 4)
    yield at, _receipt(payload, "shown", at)
    fate = random.random()
    if fate < CLICKED:
        at += 2 + random.expovariate(1 / 40)
        yield at, _receipt(payload, "clicked", at)
        if random.random() < BOUGHT_AFTER_CLICK:
            at += 20 + random.expovariate(1 / 120)
            yield at, Reaction(deed=order(person, random.choice(PRODUCTS), _moment(at), random=random))
    elif fate < CLICKED + DISMISSED:
        at += 1 + random.expovariate(1 / 20)
        yield at, _receipt(payload, "dismissed", at)


def _moment(at: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(at, dt.UTC)


def _receipt(payload: dict[str, Any], kind: str, at: float) -> Reaction:
    said = {"push": payload["push"], "token": payload["receipt"], "kind": kind, "at": _moment(at).isoformat()}
    return Reaction(receipt=said)


class PushService:
    """An HTTP/1.1 server for `POST /push/<device>`, and the loop that sends what the devices say in return."""

    def __init__(self, *, site: str, write_key: str) -> None:
        self.site = site
        self.authorization = "Basic " + b64encode(f"{write_key}:".encode()).decode()
        self.random = Random(SEED + 3)
        self.gone: set[int] = set()
        self.agenda: list[tuple[float, int, Reaction]] = []
        self.order = itertools.count()

    async def serve(self, port: int) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", port, backlog=512)
        async with server:
            await asyncio.gather(server.serve_forever(), self._report())

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                status, extra = self.answer(head, body)
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n{extra}\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    def answer(self, head: bytes, body: bytes) -> tuple[str, str]:
        """The status line and headers for one push; plans what its device will do."""
        found = PATH.search(head.partition(b"\r\n")[0])
        if not found or not head.startswith(b"POST "):
            return "404 Not Found", ""
        person = int(found[1])
        if person in self.gone or self.random.random() < GONE:
            self.gone.add(person)
            return "410 Gone", ""
        try:
            text = http_ece.decrypt(body, private_key=private_key(person), auth_secret=auth_secret(person))
        except http_ece.ECEException:
            return "400 Bad Request", ""
        for at, reaction in reactions(json.loads(text), person, now=time.time(), random=self.random):
            heapq.heappush(self.agenda, (at, next(self.order), reaction))
        return "201 Created", f"Location: {self.site}/message/{next(self.order)}\r\nTTL: 86400\r\n"

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(POST_EVERY)
            due: list[Reaction] = []
            while self.agenda and self.agenda[0][0] <= time.time() and len(due) < RECEIPTS_A_POST:
                due.append(heapq.heappop(self.agenda)[2])
            receipts = [reaction.receipt for reaction in due if reaction.receipt]
            calls = [call(reaction.deed) for reaction in due if reaction.deed]
            if not (await self._sent("/v1/receipts", receipts) and await self._sent("/v1/batch", {"batch": calls})):
                # The site is away (a restart): the devices tell it later.
                for reaction in due:
                    heapq.heappush(self.agenda, (time.time() + 5, next(self.order), reaction))

    async def _sent(self, path: str, body: Any) -> bool:
        if not body or body == {"batch": []}:
            return True
        return await asyncio.to_thread(post, f"{self.site}{path}", body, self.authorization)


def call(deed: Deed) -> dict[str, Any]:
    """One deed as the tracking API takes it. The message id is the deed's own, so that a repeat is stored once."""
    identity = f"{deed.person}-{deed.at.timestamp():.6f}-{deed.name}"
    return {
        "type": "track",
        "messageId": f"demo-{identity}",
        "userId": everyone()[deed.person].external_id,
        "event": deed.name,
        "properties": deed.properties,
        "timestamp": deed.at.isoformat(),
    }


def post(url: str, body: Any, authorization: str) -> bool:
    """POST as JSON; False where the site did not take it."""
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": authorization},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False
