"""Web push: RFC 8030 with VAPID (RFC 8292). One signature an origin, one encryption a push."""

from __future__ import annotations

import datetime as dt
import re
import threading
from base64 import urlsafe_b64encode
from collections.abc import Collection, Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.conf import settings
from py_vapid import Vapid02

from delivery.addresses import UnsafeAddress, check_push_address, origin_of
from delivery.gateways.base import Action, Letter, Outcome
from delivery.gateways.encryption import InvalidKeys, PayloadTooLarge, encrypt
from delivery.gateways.outcomes_webpush import outcome_of
from delivery.gateways.posting import Posting
from delivery.http import Answer, Client, Post
from delivery.models import Credential

TOKEN_HOURS = 12
RENEW_BEFORE = dt.timedelta(hours=1)
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")
_SUBJECT = re.compile(r"mailto:[^\s<>@]+@[^\s<>@]+\.[^\s<>@.]+|https://[^\s<>]+")


class InvalidSubject(ValueError):
    """Push services refuse this contact address."""


def generate_vapid_keys() -> tuple[bytes, str]:
    """A new key pair: (private key as PEM, public key as base64url: what browsers subscribe with)."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return pem, urlsafe_b64encode(point).rstrip(b"=").decode()


def check_subject(subject: str) -> None:
    """Refuse what Apple or Mozilla would answer with 403: they want a real mailto: or https: address."""
    host = subject.rpartition("@")[2].lower()
    if not _SUBJECT.fullmatch(subject) or host.endswith((".invalid", ".localhost", "localhost")):
        raise InvalidSubject("Give an address that push services may write to, such as mailto:push@example.com.")


def build(credential: Credential, secret: bytes, client: Client) -> WebPush:
    return WebPush(
        private_pem=secret,
        public_key=credential.public_key,
        subject=credential.subject,
        client=client,
        exempt=settings.HEED_PUSH_ORIGINS,
    )


class WebPush:
    """Sends with one credential. Keeps its connections and its signatures for the life of the process."""

    def __init__(
        self, *, private_pem: bytes, public_key: str, subject: str, client: Client, exempt: Collection[str] = ()
    ) -> None:
        # Always a Vapid object: py-vapid would take a string that names a file for that file's content.
        self._vapid = Vapid02.from_pem(private_pem)
        self.public_key = public_key
        self._subject = subject
        self._posting = Posting(client, name="The push service")
        self._exempt = frozenset(exempt)
        self._tokens: dict[str, tuple[dt.datetime, str]] = {}
        self._lock = threading.Lock()

    def origin(self, address: str) -> str:
        return origin_of(address)

    def prepare(self, *, now: dt.datetime) -> None:
        """A signature costs little: each is made when its origin is first met."""

    def try_out(self, *, now: dt.datetime) -> None:
        """Push services know nothing of a key before somebody has subscribed with it."""

    def send(self, letters: Sequence[Letter], *, now: dt.datetime, until: float | None = None) -> list[Outcome]:
        """Encrypt and post each letter. A letter that cannot go out never keeps the others back."""
        answers = self._posting.each(letters, lambda letter: self._made(letter, now), now=now, until=until)
        return [
            one if isinstance(one, Outcome) else self._bent(letter, one, now=now)
            for letter, one in zip(letters, answers, strict=True)
        ]

    def _made(self, letter: Letter, now: dt.datetime) -> Post | Outcome:
        try:
            origin = check_push_address(letter.address, exempt=self._exempt)
            if letter.collapse and not _TOPIC.fullmatch(letter.collapse):
                said = "A collapse key has up to 32 letters, digits, - or _."
                return Outcome(Action.FIX, "invalid_ttl_or_topic", detail=said)
            body = encrypt(msgspec.json.encode(letter.payload), p256dh=letter.p256dh, auth=letter.auth)
        except UnsafeAddress as unsafe:
            return Outcome(Action.FIX, "unsafe_address", detail=str(unsafe))
        except InvalidKeys as invalid:
            return Outcome(Action.DROP, "invalid_keys", detail=str(invalid))
        except PayloadTooLarge as large:
            return Outcome(Action.FIX, "payload_too_large", detail=str(large))
        headers = {
            "Authorization": self._authorization(origin, now=now),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(letter.ttl_seconds),
            "Urgency": letter.urgency,
        }
        if letter.collapse:
            headers["Topic"] = letter.collapse
        return Post(letter.address, headers, body)

    def _bent(self, letter: Letter, answer: Answer, *, now: dt.datetime) -> Outcome:
        host = origin_of(letter.address).partition("://")[2].partition(":")[0]
        outcome = outcome_of(answer, host=host, now=now)
        if outcome.action == Action.PAUSE and letter.sender_key and letter.sender_key != self.public_key:
            # Only this subscription was made under another key: nothing is wrong with ours.
            return Outcome(Action.RESUBSCRIBE, "needs_resubscribe", status=outcome.status, detail=outcome.detail)
        return outcome

    def _authorization(self, origin: str, *, now: dt.datetime) -> str:
        kept = self._tokens.get(origin)
        if kept and kept[0] > now:
            return kept[1]
        with self._lock:
            expires = now + dt.timedelta(hours=TOKEN_HOURS)
            # A fresh dictionary for each origin: sign() fills in what is missing.
            claims = {"aud": origin, "sub": self._subject, "exp": int(expires.timestamp())}
            header: str = self._vapid.sign(claims)["Authorization"]
            self._tokens[origin] = (expires - RENEW_BEFORE, header)
            return header
