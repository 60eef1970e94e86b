"""A push service for a real Firefox: it speaks autopush's WebSocket protocol to the browser and takes pushes over HTTP
as any push service does (RFC 8030), encrypted for the browser (RFC 8291): it can't read them."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from base64 import urlsafe_b64encode
from typing import Any

from aiohttp import WSMsgType, web


class Autopush:
    """A running service. `pushes` are the headers of what came, `acks` what the browser said it delivered."""

    def __init__(self) -> None:
        self.pushes: list[dict[str, str]] = []
        self.acks: list[dict[str, Any]] = []
        self.keys: dict[str, str] = {}
        self._sockets: dict[str, web.WebSocketResponse] = {}
        self._loop = asyncio.new_event_loop()
        self.port = 0
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait(10)
        self.origin = f"http://127.0.0.1:{self.port}"
        self.socket = f"ws://127.0.0.1:{self.port}/"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.add_routes([web.get("/", self._connect), web.post("/push/{channel}", self._push)])
        runner = web.AppRunner(app, shutdown_timeout=1, access_log=None)
        self._loop.run_until_complete(runner.setup())
        server = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(server.start())
        self.port = runner.addresses[0][1]
        ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _connect(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("push-notification",))
        await socket.prepare(request)
        async for frame in socket:
            if frame.type == WSMsgType.TEXT:
                await self._answer(socket, json.loads(frame.data))
        return socket

    async def _answer(self, socket: web.WebSocketResponse, said: dict[str, Any]) -> None:
        kind = said.get("messageType")
        if kind == "hello":
            uaid = said.get("uaid") or uuid.uuid4().hex
            await socket.send_json(
                {"messageType": "hello", "status": 200, "uaid": uaid, "use_webpush": True, "broadcasts": {}}
            )
        elif kind == "register":
            channel = said["channelID"]
            self.keys[channel] = said.get("key", "")
            self._sockets[channel] = socket
            endpoint = f"{self.origin}/push/{channel}"
            await socket.send_json(
                {"messageType": "register", "channelID": channel, "status": 200, "pushEndpoint": endpoint}
            )
        elif kind == "unregister":
            self._sockets.pop(said["channelID"], None)
            await socket.send_json({"messageType": "unregister", "channelID": said["channelID"], "status": 200})
        elif kind == "ack":
            self.acks += said["updates"]
        elif kind in {"ping", None}:
            await socket.send_str("{}")

    async def _push(self, request: web.Request) -> web.Response:
        channel = request.match_info["channel"]
        socket = self._sockets.get(channel)
        if socket is None or socket.closed:
            return web.Response(status=410)
        self.pushes.append(dict(request.headers))
        await socket.send_json(
            {
                "messageType": "notification",
                "channelID": channel,
                "version": uuid.uuid4().hex,
                "data": urlsafe_b64encode(await request.read()).rstrip(b"=").decode(),
                "headers": {"encoding": request.headers["Content-Encoding"]},
            }
        )
        return web.Response(status=201, headers={"Location": f"{self.origin}/message/1", "TTL": request.headers["TTL"]})
