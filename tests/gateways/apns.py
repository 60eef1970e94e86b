"""A scripted APNs: checks what Apple checks (the provider token, each header, the payload), over HTTP/2 alone.

A step's argument is the reason: "400:BadDeviceToken", "410:Unregistered@1700000000000" with its timestamp.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from tests.gateways import streams
from tests.gateways.scripted import Running, check_es256, parts
from tests.gateways.streams import Answer, Request

LEVELS = {"passive", "active", "time-sensitive", "critical"}
APS = {
    "alert": dict,
    "badge": int,
    "sound": (str, dict),
    "thread-id": str,
    "category": str,
    "content-available": int,
    "mutable-content": int,
    "interruption-level": str,
    "relevance-score": (int, float),
}


@dataclass
class Apns(streams.Streams):
    """`keys`: by key id, {"team", "pem"}; `since`: provider tokens from before that moment are expired."""

    keys: dict[str, dict[str, str]] = field(default_factory=dict)
    since: float = 0.0
    topic: str = ""
    goaway_says: str = '{"reason":"Shutdown"}'

    def token_of(self, request: Request) -> str:
        return request.headers[":path"].removeprefix("/3/device/")

    def opened(self, request: Request) -> dict[str, Any]:
        headers = request.headers
        refuse = self.refusal(headers)
        if len(request.body) > 4096:
            refuse = "413:PayloadTooLarge"
        try:
            check_headers(headers)
            assert not self.topic or headers["apns-topic"] == self.topic
            return {"payload": check_payload(request.body, headers), "refuse": refuse}
        except (AssertionError, KeyError, ValueError) as problem:
            return streams.error(problem) | {"refuse": refuse}

    def refusal(self, headers: dict[str, str]) -> str:
        """How Apple refuses this provider token."""
        found = re.fullmatch(r"bearer (\S+)", headers.get("authorization", ""))
        if not found:
            return "403:MissingProviderToken"
        try:
            header, claims, signed, signature = parts(found[1])
            key = self.keys[header["kid"]]
            assert header["alg"] == "ES256"
            assert claims["iss"] == key["team"]
            assert set(claims) == {"iss", "iat"}
            check_es256(load_pem_public_key(key["pem"].encode()), signed, signature)  # type: ignore[arg-type]
        except (AssertionError, KeyError, ValueError, InvalidSignature):
            return "403:InvalidProviderToken"
        return (
            ""
            if max(self.since, time.time() - 3600) <= claims["iat"] <= time.time() + 60
            else "403:ExpiredProviderToken"
        )

    def said(self, status: int, argument: str, request: Request) -> Answer:
        headers = {"apns-id": request.headers.get("apns-id", str(uuid.uuid4())), **streams.retry_after(argument)}
        reason, _, timestamp = argument.partition("@")
        if status == 200 or not reason.isidentifier():
            return status, headers, b""
        return (
            status,
            headers,
            streams.as_json({"reason": reason} | ({"timestamp": int(timestamp)} if timestamp else {})),
        )


def check_headers(headers: dict[str, str]) -> None:
    assert headers[":method"] == "POST"
    assert re.fullmatch(r"/3/device/[0-9a-fA-F]+", headers[":path"]), headers[":path"]
    assert str(uuid.UUID(headers["apns-id"])) == headers["apns-id"]
    assert re.fullmatch(r"[A-Za-z0-9.-]+", headers["apns-topic"])
    assert headers["apns-push-type"] in {"alert", "background"}
    assert headers["apns-priority"] in ({"5", "1"} if headers["apns-push-type"] == "background" else {"10", "5", "1"})
    expires = int(headers["apns-expiration"])
    assert expires == 0 or time.time() - 60 < expires < time.time() + 31 * 86_400, expires
    assert len(headers.get("apns-collapse-id", "").encode()) <= 64


def check_payload(body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(body)
    aps = payload["aps"]
    for name, value in aps.items():
        assert isinstance(value, APS[name]), name
    if headers["apns-push-type"] == "background":
        assert aps == {"content-available": 1}
    else:
        assert set(aps["alert"]) <= {"title", "subtitle", "body"} and aps["alert"]
        assert all(isinstance(text, str) for text in aps["alert"].values())
    assert aps.get("interruption-level", "active") in LEVELS
    assert 0 <= aps.get("relevance-score", 0) <= 1
    assert aps.get("mutable-content", 1) == 1
    return payload


class ApnsService(Running):
    """A running APNs, as tests see it."""

    module = "tests.gateways.apns"

    def trust(self, p8: str, *, team: str, key_id: str, **state: Any) -> None:
        """Take provider tokens of this key, and of no other."""
        key = load_pem_private_key(p8.encode(), password=None).public_key()
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self.control(keys={key_id: {"team": team, "pem": pem}}, **state)

    @staticmethod
    def token(number: int) -> str:
        """A device token as Apple makes them."""
        return f"{number:064x}"


if __name__ == "__main__":
    streams.run(Apns)
