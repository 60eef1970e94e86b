"""Apple Push Notification service over HTTP/2, with a provider token (ES256) for a team's key."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings

from audiences.models import Device
from delivery.gateways.access import Access, Minted, holder_of
from delivery.gateways.base import Action, Letter, Outcome
from delivery.gateways.outcomes_apns import outcome_of
from delivery.gateways.posting import TokenPosting
from delivery.http import Client, Post
from delivery.models import Credential

LARGEST_PAYLOAD = 4096
LARGEST_COLLAPSE = 64
LONGEST_TTL = 30 * 86_400
RENEW_AFTER, LASTS, APART = dt.timedelta(minutes=45), dt.timedelta(minutes=59), dt.timedelta(minutes=20)
"""Apple refuses a token that is older than an hour, and a new one within 20 minutes of the last."""

PRIORITIES = {"high": "10", "normal": "10", "low": "5", "very-low": "1", "10": "10", "5": "5", "1": "1"}
"""Urgency → apns-priority: 10 at once, 5 with an eye on the battery, 1 only when the device is awake anyway."""

_TOKEN = re.compile(r"[0-9A-Fa-f]{8,400}")
_APS_OPTIONS = {
    "sound": "sound",
    "badge": "badge",
    "category": "category",
    "thread": "thread-id",
    "interruption_level": "interruption-level",
    "relevance_score": "relevance-score",
}
"""What a marketer sets for iOS → its key in `aps`."""


def build(credential: Credential, secret: bytes, client: Client) -> Apns:
    is_sandbox = credential.environment == Device.Environment.SANDBOX
    keys = ProviderTokens(credential.public_key, secret)
    return Apns(
        topic=credential.app,
        # A key serves all apps of its team, in both environments: so does its token.
        access=Access(holder_of("apns", credential.public_key, secret), keys.mint, apart=APART),
        client=client,
        origin=settings.HEED_APNS_SANDBOX_ORIGIN if is_sandbox else settings.HEED_APNS_ORIGIN,
    )


class ProviderTokens:
    """Signs who we are. `public_key` is the team id and the key id, with a dot."""

    def __init__(self, public_key: str, pem: bytes) -> None:
        self._team, _, self._key_id = public_key.partition(".")
        self._key = load_pem_private_key(pem, password=None)

    def mint(self, now: dt.datetime) -> Minted:
        claims = {"iss": self._team, "iat": int(now.timestamp())}
        signed = jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._key_id})  # type: ignore[arg-type]
        return Minted(signed, RENEW_AFTER, LASTS)


class Apns:
    """Sends to one app in one environment. Keeps its token and connections for the life of the process."""

    def __init__(self, *, topic: str, access: Access, client: Client, origin: str) -> None:
        self._topic = topic
        self._posting = TokenPosting(client, access=access, name="APNs")
        self._origin = origin

    def origin(self, address: str) -> str:
        return self._origin

    def prepare(self, *, now: dt.datetime) -> None:
        self._posting.prepare(now=now)

    def send(self, letters: Sequence[Letter], *, now: dt.datetime, until: float | None = None) -> list[Outcome]:
        """One request a letter, all on few connections."""
        began = int(now.timestamp())

        def made(letter: Letter, token: str) -> Post | Outcome:
            if not _TOKEN.fullmatch(letter.address):
                return Outcome(Action.DROP, "bad_token", detail="an APNs token is hexadecimal")
            body = notification(letter)
            if len(body) > LARGEST_PAYLOAD:
                said = f"the notification has {len(body):,} bytes; {LARGEST_PAYLOAD:,} is the limit"
                return Outcome(Action.FIX, "payload_too_large", detail=said)
            headers = {"authorization": f"bearer {token}", **self._headers(letter, began)}
            return Post(f"{self._origin}/3/device/{letter.address}", headers, body, http2_only=True)

        return self._posting.outcomes(letters, made, outcome_of, now=now, until=until)

    def try_out(self, *, now: dt.datetime) -> Outcome:
        """A background push to a token of zeros, which belongs to no device: Apple first says what it thinks of us."""
        self.prepare(now=now)
        (outcome,) = self.send([Letter(address="0" * 64, payload={"push": str(UUID(int=0))}, ttl_seconds=0)], now=now)
        return outcome

    def _headers(self, letter: Letter, began: int) -> dict[str, str]:
        options = letter.options.get("ios") or {}
        is_silent = _is_silent(letter.payload)
        headers = {
            "apns-id": str(letter.payload["push"]),
            "apns-topic": self._topic,
            "apns-push-type": "background" if is_silent else "alert",
            # Apple refuses a background push that asks for more than 5.
            "apns-priority": "5" if is_silent else PRIORITIES.get(str(options.get("priority") or letter.urgency), "10"),
            "apns-expiration": str(began + min(letter.ttl_seconds, LONGEST_TTL) if letter.ttl_seconds > 0 else 0),
        }
        # On iOS nothing but this replaces what is shown already: the tag of other platforms does here, too.
        collapse = letter.collapse or str(letter.payload.get("tag") or "")
        if collapse:
            headers["apns-collapse-id"] = _collapse_id(collapse)
        return headers


def notification(letter: Letter) -> bytes:
    """The request's body: what iOS shows is in `aps`; the app finds the rest beside it."""
    payload, options = letter.payload, letter.options.get("ios") or {}
    aps: dict[str, Any] = {
        key: options[name] for name, key in _APS_OPTIONS.items() if options.get(name) not in (None, "")
    }
    alert = {name: payload[name] for name in ("title", "body") if payload.get(name)}
    if options.get("subtitle") and alert:
        alert["subtitle"] = options["subtitle"]
    if alert:
        aps["alert"] = alert
    else:
        aps["content-available"] = 1
    # An image is fetched by the app's notification extension, which this key wakes.
    if options.get("mutable_content") or payload.get("image"):
        aps["mutable-content"] = 1
    return msgspec.json.encode(
        {**{name: value for name, value in payload.items() if value not in (None, "")}, "aps": aps}
    )


def _collapse_id(key: str) -> str:
    """The key as it is, or what stands for it where Apple takes no such header."""
    fits = len(key) <= LARGEST_COLLAPSE and key.isascii() and key.isprintable()
    return key if fits else sha256(key.encode("utf-8", "replace")).hexdigest()


def _is_silent(payload: Mapping[str, Any]) -> bool:
    return not payload.get("title") and not payload.get("body")
