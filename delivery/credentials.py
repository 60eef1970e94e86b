"""Making what gateways know us by: checked when it is given, its secret half sealed at once and told to nobody."""

from __future__ import annotations

import datetime as dt
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from django.db import IntegrityError, transaction

from audiences.models import Device
from audiences.sealing import Unsealable, seal, unseal
from delivery.models import Credential

PURPOSE = "credential"
"""What credentials' secrets are sealed for."""

LARGEST_FILE = 20_000
WRONG_PROJECT = ("unknown_project", "other_project")
"""Reasons of a hold by which Google says that the credential is of another Firebase project than the app."""
_PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+")
_APPLE_ID = re.compile(r"[A-Z0-9]{10}")
_PROJECT = re.compile(r"[a-z0-9.:-]{4,60}")


class InvalidCredential(ValueError):
    """This cannot be used as a push credential. `field` is the argument that is wrong, the message says what to do."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """What FCM's tokens are made of. `email` is the account, `key` its RSA private key (PEM)."""

    project: str
    email: str
    key_id: str
    key: str


def webpush_credential(name: str, *, subject: str, now: dt.datetime) -> Credential:
    """A new web push credential with a fresh P-256 (VAPID) pair, not kept yet. Its private key is told to nobody."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return Credential(
        name=name,
        public_key=urlsafe_b64encode(point).rstrip(b"=").decode(),
        secret=seal(pem, purpose=PURPOSE),
        subject=subject,
        created_at=now,
    )


def fcm_credential(name: str, *, service_account: str | bytes, app: str = "", now: dt.datetime) -> Credential:
    """Firebase Cloud Messaging, from the service account's key file (JSON). `app`: the package name, or every app.

    Not kept yet. Raises InvalidCredential.
    """
    account = read_service_account(service_account)
    return _new(
        name,
        gateway=Device.Gateway.FCM,
        app=_app_name("app", app) if app.strip() else "",
        public_key=account.email,
        secret=msgspec.json.encode(account),
        now=now,
    )


def apns_credential(
    name: str, *, p8: str | bytes, team_id: str, key_id: str, app: str, environment: str, now: dt.datetime
) -> Credential:
    """Apple, from a signing key (the .p8 file), for one app (its bundle id) in one environment.

    Not kept yet. Raises InvalidCredential.
    """
    team, key = _apple_id("team_id", team_id, "team"), _apple_id("key_id", key_id, "key")
    if environment not in Device.Environment.values:
        raise InvalidCredential("environment", "Choose production (builds from the store) or sandbox (from Xcode).")
    if not app.strip():
        raise InvalidCredential("app", "Give the app's bundle id, such as com.example.shop: Apple wants it named.")
    return _new(
        name,
        gateway=Device.Gateway.APNS,
        app=_app_name("app", app),
        environment=environment,
        public_key=f"{team}.{key}",
        secret=read_p8(p8),
        now=now,
    )


def keep(credential: Credential) -> Credential:
    """Keep a new one. Raises InvalidCredential where somebody else made it, or one of its name, in the meantime."""
    try:
        with transaction.atomic():
            credential.save(force_insert=True)
    except IntegrityError:
        _check_new(credential)
        raise
    return credential


def with_secret(credential: Credential, *, secret: str | bytes, key_id: str = "") -> Credential:
    """The credential with another key in place of its own, not kept yet: a key file of the same Firebase project, or
    another key of the same Apple team, whose `key_id` is then given. Another project's is taken only after Google said
    that the project is wrong. Raises InvalidCredential.
    """
    if credential.gateway == Device.Gateway.FCM:
        field, account = "service_account", read_service_account(secret)
        if account.email != credential.public_key and not _may_move(credential, account):
            raise InvalidCredential(
                field, f"This file belongs to another project, {account.project}. Make another credential for it."
            )
        known_as, plain = account.email, msgspec.json.encode(account)
    elif credential.gateway == Device.Gateway.APNS:
        field, plain = "key_id", read_p8(secret)
        team, _, known = credential.public_key.partition(".")
        known_as = f"{team}.{_apple_id('key_id', key_id or known, 'key')}"
    else:
        raise InvalidCredential("secret", "A web push key cannot be replaced: browsers subscribed with it.")
    changed = copy(credential)
    changed.public_key, changed.secret = known_as, seal(plain, purpose=PURPOSE)
    if same := _same(changed):
        raise InvalidCredential(field, f"“{same.name}” has this key already, for the same app.")
    return changed


def keep_secret(credential: Credential, changed: Credential) -> None:
    """Keep what `with_secret` made of the credential. What was derived from the old key is forgotten. Raises
    InvalidCredential where somebody else was faster."""
    known = {"pk": credential.pk, "public_key": credential.public_key, "secret": credential.secret}
    try:
        with transaction.atomic():
            done = Credential.objects.filter(**known).update(public_key=changed.public_key, secret=changed.secret)
    except IntegrityError:
        done = 0
    if not done:
        raise InvalidCredential("secret", "Somebody else gave it a key, or made another with this one, just now.")


def _may_move(credential: Credential, account: ServiceAccount) -> bool:
    """Whether this account may take the credential's place: of the same project, or the project is known to be wrong."""
    if credential.holds.filter(reason__in=WRONG_PROJECT).exists():
        return True
    try:
        known = msgspec.json.decode(unseal(credential.secret, purpose=PURPOSE), type=ServiceAccount)
    except (Unsealable, msgspec.DecodeError):
        return False
    return known.project == account.project


def read_service_account(said: str | bytes) -> ServiceAccount:
    """The parts of a service account's key file that are needed, or InvalidCredential. Its URLs are not used."""
    field = "service_account"
    try:
        given = msgspec.json.decode(_text(field, said))
    except msgspec.DecodeError:
        raise InvalidCredential(
            field,
            "This is not JSON. In the Firebase console: Project settings, Service accounts, Generate new private key.",
        ) from None
    if not isinstance(given, Mapping):
        raise InvalidCredential(field, "This is not a service account's key file: it must be a JSON object.")
    if "project_info" in given or "client" in given:
        raise InvalidCredential(
            field,
            "This is google-services.json, which goes into the app. Heed needs the service account's private key: "
            "Project settings, Service accounts, Generate new private key.",
        )
    if given.get("type") != "service_account":
        raise InvalidCredential(
            field, f"This is a key of the type {given.get('type')!r}; it must be a service account's."
        )
    account = ServiceAccount(
        project=_part(given, "project_id"),
        email=_part(given, "client_email"),
        key_id=_part(given, "private_key_id"),
        key=_part(given, "private_key"),
    )
    if not _PROJECT.fullmatch(account.project):
        raise InvalidCredential(field, "Its project_id is not one of Firebase's.")
    if not isinstance(_private_key(field, account.key), rsa.RSAPrivateKey):
        raise InvalidCredential(field, "Its private_key is not an RSA key: download the file again.")
    return account


def read_p8(said: str | bytes) -> bytes:
    """An Apple signing key as PEM, or InvalidCredential."""
    text = _text("p8", said)
    if "BEGIN CERTIFICATE" in text:
        raise InvalidCredential(
            "p8", "This is a certificate. Heed signs with a key: Certificates, Identifiers & Profiles, Keys, then +."
        )
    key = _private_key("p8", text)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidCredential("p8", "This key is of another kind: Apple's are P-256 keys in a file AuthKey_….p8.")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _new(
    name: str, *, gateway: str, app: str, public_key: str, secret: bytes, now: dt.datetime, environment: str = ""
) -> Credential:
    place = {"gateway": gateway, "public_key": public_key, "app": app, "environment": environment}
    credential = Credential(name=name, secret=seal(secret, purpose=PURPOSE), created_at=now, **place)
    _check_new(credential)
    return credential


def _check_new(credential: Credential) -> None:
    if same := _same(credential):
        what = "retired; bring it back" if same.retired_at else "in use; replace its key there"
        raise InvalidCredential("name", f"“{same.name}” is for the same key and app. It is {what}.")
    if Credential.objects.filter(name=credential.name).exists():
        raise InvalidCredential("name", "Another credential has this name.")


def _same(credential: Credential) -> Credential | None:
    """Another one for the same key and app."""
    place = {name: getattr(credential, name) for name in ("gateway", "public_key", "app", "environment")}
    return Credential.objects.filter(**place).exclude(pk=credential.pk).first()


def _text(field: str, said: str | bytes) -> str:
    if len(said) > LARGEST_FILE:
        raise InvalidCredential(field, "This file is too large to be a key.")
    try:
        text = said.decode("utf-8-sig") if isinstance(said, bytes) else said
    except UnicodeDecodeError:
        raise InvalidCredential(field, "This file is not text: give it as you downloaded it.") from None
    if not text.strip():
        raise InvalidCredential(field, "The file is empty.")
    return text.strip() + "\n"


def _part(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidCredential("service_account", f"Its {name} is missing: download the file again.")
    return value


def _private_key(field: str, pem: str) -> object:
    try:
        return load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidCredential(
            field, "Its private key cannot be read: give the whole file, with its BEGIN and END lines."
        ) from None


def _apple_id(field: str, said: str, what: str) -> str:
    found = said.strip().upper()
    if not _APPLE_ID.fullmatch(found):
        raise InvalidCredential(field, f"A {what} id has ten letters and digits, such as ABCDE12345.")
    return found


def _app_name(field: str, said: str) -> str:
    found = said.strip()
    if not _PACKAGE.fullmatch(found) or len(found) > 255:
        raise InvalidCredential(field, "Give the app's own name, such as com.example.shop.")
    return found
