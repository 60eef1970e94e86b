"""Asking a gateway whether it takes a credential, before anything is sent with it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.conf import settings

from delivery.addresses import named_origins
from delivery.gateways import gateway_of
from delivery.gateways.base import Action, Outcome
from delivery.http import Client
from delivery.models import Credential

REFUSALS = {
    "credential_unusable": "Its secret does not open",
    "unauthorized": "The gateway does not accept it",
    "other_project": "It belongs to another project",
    "unknown_project": "Google does not know the project, or Cloud Messaging is not enabled in it",
    "third_party_auth": "Google accepts it, but the project lacks what it needs for Apple's devices",
    "wrong_app": "Apple accepts the key, but not for this app: look at the bundle id",
    "token_refused": "The gateway does not accept it",
    "token_updates": "Apple wants fewer new tokens of this key: try again in 20 minutes",
}

ABSENT = ("bad_token", "gone", "invalid_argument")
"""Reasons that speak of the address, which does not exist: whoever gives one has accepted us."""


@dataclass(frozen=True, slots=True)
class Trial:
    """`is_taken`: whether the gateway takes the credential; None: nobody could say. `says` is for a marketer."""

    is_taken: bool | None
    says: str


def try_out(credential: Credential, *, now: dt.datetime) -> Trial:
    """Nobody is told anything. At most two requests to the gateway, of ten seconds each."""
    roots = (settings.HEED_CA_FILE.read_bytes(),) if settings.HEED_CA_FILE else ()
    client = Client(exempt=named_origins(), roots=roots)
    try:
        outcome = gateway_of(credential, client).try_out(now=now)
    finally:
        client.close()
    return Trial(None, "This gateway cannot be asked before something is sent.") if outcome is None else _read(outcome)


def _read(outcome: Outcome) -> Trial:
    words = f"{outcome.status} {outcome.detail}".strip()
    if outcome.action in (Action.PAUSE, Action.RENEW) or outcome.reason in REFUSALS:
        return Trial(False, f"{REFUSALS.get(outcome.reason, 'The gateway does not accept it')}. It says: {words}")
    if outcome.action == Action.SENT or outcome.reason in ABSENT:
        return Trial(True, "The gateway accepts it.")
    return Trial(None, f"It could not be tried: {words or outcome.reason.replace('_', ' ')}.")
