"""Firebase Cloud Messaging, HTTP v1: a notification that Android shows, and its data, for one token a request."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from django.conf import settings
from google.auth import crypt
from google.auth import jwt as google_jwt

from delivery.credentials import ServiceAccount
from delivery.gateways.access import Access, Minted, NotMinted, holder_of
from delivery.gateways.base import Action, Letter, Outcome
from delivery.gateways.outcomes_fcm import outcome_of
from delivery.gateways.posting import TokenPosting
from delivery.http import Answer, Client, Post
from delivery.models import Credential

LARGEST_PAYLOAD = 4096
LONGEST_TTL = 28 * 86_400
DEADLINE = 10.5
"""Google asks for a timeout of ten seconds at least."""

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
HOUR = dt.timedelta(hours=1)
RENEW_BEFORE, NOT_AFTER = dt.timedelta(minutes=10), dt.timedelta(minutes=1)
NOTIFICATION_OPTIONS = {"channel": "channel_id", "sound": "sound", "color": "color"}
"""What a marketer sets for Android → its field in AndroidNotification."""


def build(credential: Credential, secret: bytes, client: Client) -> Fcm:
    account = msgspec.json.decode(secret, type=ServiceAccount)
    tokens = GoogleTokens(account, client=client, origin=settings.HEED_FCM_TOKEN_ORIGIN)
    access = Access(holder_of("fcm", account.email, secret), tokens.mint)
    return Fcm(project=account.project, access=access, client=client, origin=settings.HEED_FCM_ORIGIN)


class GoogleTokens:
    """OAuth2 access tokens of a service account (RFC 7523), good for about an hour."""

    def __init__(self, account: ServiceAccount, *, client: Client, origin: str) -> None:
        self._account = account
        self._signer = crypt.RSASigner.from_string(account.key, account.key_id)
        self._client = client
        self._url = f"{origin}/token"

    def mint(self, now: dt.datetime) -> Minted:
        """Ask for one. Raises NotMinted."""
        began = int(now.timestamp())
        claims = {"iss": self._account.email, "scope": SCOPE, "aud": self._url, "iat": began, "exp": began + 3600}
        form = {"grant_type": GRANT, "assertion": google_jwt.encode(self._signer, claims).decode()}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._client.post(Post(self._url, headers, urlencode(form).encode()), public=True)
        if answer.proved != "answered":
            raise NotMinted(f"Google's token service was not reached: {answer.detail}", was_refused=False)
        said = _json(answer)
        token, seconds = said.get("access_token"), said.get("expires_in")
        if answer.status == 200 and isinstance(token, str) and token.isascii() and isinstance(seconds, int):
            lasts = dt.timedelta(seconds=min(seconds, 86_400))
            return Minted(token, max(lasts - RENEW_BEFORE, lasts / 2), max(lasts - NOT_AFTER, lasts / 2))
        problem = f"{said.get('error', answer.status)} {said.get('error_description', '')}".strip()
        if answer.status in (400, 401, 403):
            raise NotMinted(f"Google refuses the service account: {problem}", was_refused=True)
        raise NotMinted(f"Google's token service is in trouble: {problem}", was_refused=False)


class Fcm:
    """Sends to one project's tokens. Keeps its access token and connections for the life of the process."""

    def __init__(self, *, project: str, access: Access, client: Client, origin: str) -> None:
        self._posting = TokenPosting(client, access=access, name="FCM", deadline=DEADLINE)
        self._project = f"{origin}/v1/projects/{project}"

    def origin(self, address: str) -> str:
        return self._project

    def prepare(self, *, now: dt.datetime) -> None:
        self._posting.prepare(now=now)

    def send(self, letters: Sequence[Letter], *, now: dt.datetime, until: float | None = None) -> list[Outcome]:
        """One request a letter."""
        return self._posting.outcomes(letters, self._made, outcome_of, now=now, until=until)

    def try_out(self, *, now: dt.datetime) -> Outcome:
        """A message that Google only looks at (`validate_only`), to a token that does not exist."""
        self._posting.fetch(now=now)
        body = msgspec.json.encode({"validate_only": True, "message": {"token": "trial", "data": {"trial": "1"}}})
        nobody = Letter(address="trial", payload={}, ttl_seconds=0)
        (outcome,) = self._posting.outcomes([nobody], lambda _, token: self._post(token, body), outcome_of, now=now)
        return outcome

    def _made(self, letter: Letter, token: str) -> Post | Outcome:
        body = message(letter)
        size = len(body) - len(letter.address)
        if size > LARGEST_PAYLOAD:
            said = f"the message has {size:,} bytes; {LARGEST_PAYLOAD:,} is the limit"
            return Outcome(Action.FIX, "payload_too_large", detail=said)
        return self._post(token, body)

    def _post(self, token: str, body: bytes) -> Post:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return Post(f"{self._project}/messages:send", headers, body)


def message(letter: Letter) -> bytes:
    """The request's body. What Android shows by itself is in `notification`; apps find everything in `data`, as text."""
    payload, options = letter.payload, letter.options.get("android") or {}
    shown = {name: payload[name] for name in ("title", "body", "image") if payload.get(name)}
    own: dict[str, Any] = {
        field: str(options[name]) for name, field in NOTIFICATION_OPTIONS.items() if options.get(name)
    }
    if isinstance(options.get("badge"), int):
        own["notification_count"] = options["badge"]
    if payload.get("tag"):
        own["tag"] = str(payload["tag"])
    android: dict[str, Any] = {
        "priority": _priority(letter, options),
        "ttl": f"{min(max(letter.ttl_seconds, 0), LONGEST_TTL)}s",
    }
    if letter.collapse:
        android["collapse_key"] = letter.collapse
    if own and shown:
        android["notification"] = own
    whole: dict[str, Any] = {"token": letter.address, "data": _texts(payload), "android": android}
    if shown:
        whole["notification"] = shown
    return msgspec.json.encode({"message": whole})


def _priority(letter: Letter, options: Mapping[str, Any]) -> str:
    wanted = options.get("priority") or letter.urgency
    return "HIGH" if wanted == "high" else "NORMAL"


def _texts(payload: Mapping[str, Any]) -> dict[str, str]:
    """FCM takes text only: what is none becomes JSON; what is empty is left out."""
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in payload.items()
        if value not in (None, "")
    }


def _json(answer: Answer) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return said if isinstance(said, dict) else {}
