"""What has stopped until somebody looks: push credentials that are refused or paused, and campaigns that a guard paused.

Each is told to a marketer in three parts: what happened, what to mend, and the one button that lets it go on. Who may
press it sees it at the head of every page.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import redis
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from audiences.models import Device
from campaigns.launch import BY_HAND
from campaigns.models import Campaign
from delivery.credentials import WRONG_PROJECT
from delivery.losses import REASON as MASS_DROP
from delivery.models import Hold, Wave

KEY, SECONDS = "heed:stops", 15
log = logging.getLogger(__name__)

# (gateway, reason of the hold) → (what happened, what to mend). {name}: the credential's; {where}: the push service.
WORDS = {
    ("webpush", "unauthorized"): (
        "{where} refuses the key of “{name}”.",
        "See that its address for push services is one that they can write to, and that this server's clock is right.",
    ),
    ("fcm", "unauthorized"): (
        "Google refuses the service account of “{name}”.",
        "See in the Google Cloud console that the account is there and may use the Firebase Cloud Messaging API; "
        "or give it another key.",
    ),
    ("fcm", "unknown_project"): (
        "Google does not know the Firebase project of “{name}”.",
        "Replace its key with one of the project that your app is built with.",
    ),
    ("fcm", "other_project"): (
        "The devices that “{name}” sends to belong to another Firebase project.",
        "Replace its key with one of the project that your app is built with.",
    ),
    ("fcm", "third_party_auth"): (
        "The Firebase project of “{name}” cannot reach Apple or browsers.",
        "See in the Firebase console, Cloud Messaging, that its own keys for them are in order.",
    ),
    ("apns", "unauthorized"): (
        "Apple refuses the key of “{name}”.",
        "See in the Apple developer account that the key was not revoked, and that team id and key id are its own; "
        "or give it another one.",
    ),
    ("apns", "wrong_app"): (
        "Apple says that the devices that “{name}” sends to belong to another app.",
        "Its bundle id must be your app's own: if it is not, make a credential with the right one and retire this one. "
        "See also that your app registers its devices under that bundle id.",
    ),
    ("apns", "wrong_environment"): (
        "The devices that “{name}” sends to belong to Apple's other environment.",
        "Builds from Xcode need a credential for the sandbox, builds from the store one for production.",
    ),
}
ANY = {
    MASS_DROP: (
        "{where} calls nearly every device of “{name}” dead, which is hardly true.",
        "See whether its key was exchanged or its app named wrongly. Then bring the devices back.",
    ),
    "credential_unusable": (
        "“{name}” cannot be opened.",
        "Give back to HEED_KEK the key that it was sealed under, or give the credential its key anew.",
    ),
    "credential_paused": ("“{name}” is paused.", ""),
}
UNKNOWN = ("{where} refuses what “{name}” sends.", "See what it answered, and mend that first.")
BY_ANOTHER_KEY = ("unauthorized", "credential_unusable", *WRONG_PROJECT)
"""Reasons of a hold on an app's credential that another key may mend."""
SERVICES = {"webpush": "The push service", "fcm": "Google", "apns": "Apple"}


@dataclass(frozen=True, slots=True)
class Stop:
    """`permission` may mend it: by a POST of `fields` to `address`, whose button says `action`; `page` tells more.
    `key_page` is where another key is given, if that may mend it."""

    permission: str
    says: str
    mend: str
    action: str
    address: str
    page: str
    fields: dict[str, str]
    key_page: str = ""


def stops() -> list[Stop]:
    """Everything that waits for somebody, now. Two or three queries."""
    return [*_credentials(), *_campaigns()]


def shown(request: HttpRequest) -> list[Stop]:
    """What this user may mend, at most 15 seconds old. No query of the database where it was asked for lately."""
    kept = _kept()
    if kept is None:
        kept = stops()
        _keep(kept)
    return [stop for stop in kept if request.user.has_perm(stop.permission)]


def forget() -> None:
    """Somebody mended something: the next page asks anew."""
    try:
        _redis().delete(KEY)
    except redis.RedisError:
        log.warning("what has stopped may be shown for %s s more: Redis does not answer", SECONDS)


def words(hold: Hold) -> tuple[str, str]:
    """What happened, and what to mend."""
    credential = hold.credential
    happened, mend = WORDS.get((credential.gateway, hold.reason)) or ANY.get(hold.reason) or UNKNOWN
    where = SERVICES[credential.gateway]
    if credential.gateway == "webpush" and hold.origin:
        where = hold.origin.partition("://")[2]
    return happened.format(name=credential.name, where=where), mend


def wants_key(hold: Hold) -> bool:
    """Whether another key may end what is held."""
    return hold.credential.gateway != Device.Gateway.WEBPUSH and hold.reason in BY_ANOTHER_KEY


def _credentials() -> Iterator[Stop]:
    held = Hold.objects.filter(until=None, credential__retired_at=None).select_related("credential")
    for hold in held.order_by("pk"):
        says, mend = words(hold)
        is_drop = hold.reason == MASS_DROP
        yield Stop(
            "delivery.change_credential",
            says,
            mend or hold.detail,
            "Bring them back and go on" if is_drop else "Resume",
            reverse("console:credential_resume", args=[hold.credential_id]),
            reverse("console:delivery_credential_change", args=[hold.credential_id]),
            {"hold": str(hold.pk), **({"devices": "back"} if is_drop else {})},
            reverse("console:credential_key", args=[hold.credential_id]) if wants_key(hold) else "",
        )


def _campaigns() -> Iterator[Stop]:
    paused = Wave.objects.filter(state=Wave.State.PAUSED, origin__startswith="campaign:").exclude(state_reason=BY_HAND)
    reasons = {int(wave.origin.partition(":")[2]): wave.state_reason for wave in paused}
    for campaign in Campaign.objects.filter(pk__in=reasons).order_by("pk") if reasons else ():
        yield Stop(
            "campaigns.change_campaign",
            f"“{campaign.name}” was paused.",
            reasons[campaign.pk] or "Something is wrong with its messages: see what was not sent, and why.",
            "Resume",
            reverse("console:campaign_deed", args=[campaign.pk, "resume"]),
            reverse("console:campaigns_campaign_change", args=[campaign.pk]),
            {},
        )


def _kept() -> list[Stop] | None:
    try:
        found: Any = _redis().get(KEY)
    except redis.RedisError:
        return None
    return None if found is None else [Stop(**one) for one in json.loads(found)]


def _keep(found: list[Stop]) -> None:
    try:
        _redis().set(KEY, json.dumps([asdict(stop) for stop in found]), ex=SECONDS)
    except redis.RedisError:
        pass


def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=0.2, socket_connect_timeout=0.2)
