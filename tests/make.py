"""Object makers: each makes one ordinary thing, with what the test cares about given by name."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from functools import cache
from typing import Any

from audiences.models import Device, Event, Identifier, Profile, Segment, Source, Standing, Topic
from audiences.sealing import seal
from campaigns.models import Campaign, MessageTemplate, TemplateVersion
from delivery import credentials
from delivery.models import Arm, Credential, Message, SendingRules, Wave
from tests.conftest import NOW

_number = itertools.count(1)


def profile(external_id: str | None = None, *, attributes: dict[str, Any] | None = None, **values: Any) -> Profile:
    """A profile with its standing and its identifier."""
    external_id = external_id or f"person-{next(_number)}"
    made = Profile.objects.create(
        external_id=external_id,
        attributes=attributes or {},
        **{"created_at": NOW - dt.timedelta(days=90), "last_seen_at": NOW, **values},
    )
    Standing.objects.create(profile=made)
    Identifier.objects.create(kind="user", value=external_id, profile=made)
    return made


def anonymous(anonymous_id: str | None = None, **values: Any) -> Profile:
    """A visitor who is not known yet."""
    anonymous_id = anonymous_id or f"visitor-{next(_number)}"
    made = Profile.objects.create(**{"created_at": NOW, "last_seen_at": NOW, **values})
    Standing.objects.create(profile=made)
    Identifier.objects.create(kind="anonymous", value=anonymous_id, profile=made)
    return made


def device(owner: Profile, *, address: str | None = None, **values: Any) -> Device:
    """A live web push device; give p256dh and auth where something is really encrypted for it."""
    return Device.objects.create(
        profile=owner,
        address=address or f"https://fcm.googleapis.com/fcm/send/{next(_number)}",
        **{
            "gateway": "webpush",
            "created_at": NOW,
            "registered_at": NOW,
            "last_seen_at": NOW,
            "platform": "web",
            **values,
        },
    )


def event(owner: Profile, name: str, /, *, at: dt.datetime = NOW, **properties: Any) -> Event:
    return Event.objects.create(
        profile=owner,
        name=name,
        occurred_at=at,
        received_at=at,
        properties=properties,
        message_id=f"made-{next(_number)}",
    )


def topic(key: str = "", **values: Any) -> Topic:
    key = key or f"topic-{next(_number)}"
    return Topic.objects.create(key=key, **{"name": key.replace("-", " ").capitalize(), **values})


def segment(rule: dict[str, Any], name: str = "") -> Segment:
    return Segment.objects.create(name=name or f"Segment {next(_number)}", rule=rule)


def source(kind: str = "server", *, key: str = "", **values: Any) -> Source:
    """A source whose write key is `key`."""
    from hashlib import sha256

    key = key or f"key-{next(_number)}"
    return Source.objects.create(
        name=f"Source {next(_number)}",
        kind=kind,
        write_key=None if kind == "server" else key,
        write_key_hash=sha256(key.encode()).hexdigest(),
        key_hint=key[:6],
        identity_secret=seal(b"identity secret", purpose="identity"),
        **values,
    )


def template(**values: Any) -> MessageTemplate:
    return MessageTemplate.objects.create(
        **{"name": f"Template {next(_number)}", "title": "Hello", "body": "We have news.", **values}
    )


def version(of: MessageTemplate | None = None, **values: Any) -> TemplateVersion:
    """The published form of a template."""
    of = of or template(**values)
    return TemplateVersion.objects.create(template=of, number=1, published_at=NOW, **of.content())


def campaign(**values: Any) -> Campaign:
    if "template" not in values:
        values["template"] = version().template
    return Campaign.objects.create(
        **{"name": f"Campaign {next(_number)}", "goal_event": "Order Completed", "topic": topic(), **values}
    )


def scheduled(segment: Segment, version: TemplateVersion, *, at: dt.datetime, **values: Any) -> Campaign:
    """A campaign to this segment that the clock opens then; nobody is left alone unless told so."""
    made = campaign(
        template=version.template,
        version=version,
        state="scheduled",
        scheduled_at=at,
        **{"control_percent": 0, "topic": None, **values},
    )
    made.included.add(segment)
    return made


def no_quiet_hours() -> SendingRules:
    """The site's rules with every hour fit for sending."""
    return SendingRules.objects.create(pk=1, quiet_from=None, quiet_until=None)


def credential(**values: Any) -> Credential:
    """A web push credential with a real key pair."""
    from base64 import urlsafe_b64encode

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from py_vapid import Vapid02

    vapid = Vapid02()
    vapid.generate_keys()
    point = vapid.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return Credential.objects.create(
        **{
            "name": f"Credential {next(_number)}",
            "public_key": urlsafe_b64encode(point).rstrip(b"=").decode(),
            "secret": seal(vapid.private_pem(), purpose="credential"),
            "subject": "mailto:push@example.com",
            **values,
        }
    )


def wave(**values: Any) -> Wave:
    """A running wave that is due now; its content source is "campaign" unless said otherwise."""
    return Wave.objects.create(
        **{
            "origin": f"test:{next(_number)}",
            "occurrence": "once",
            "wave_on": NOW.date(),
            "state": Wave.State.RUNNING,
            "content_source": "campaign",
            "due_at": NOW,
            "expires_at": NOW + dt.timedelta(days=1),
            "planned_at": NOW,
            "created_at": NOW,
            **values,
        }
    )


def message(of: Wave, to: Profile, **values: Any) -> Message:
    return Message.objects.create(
        **{
            "wave": of,
            "wave_on": of.wave_on,
            "profile": to,
            "arm": Arm.TOLD,
            "due_at": of.due_at,
            "planned_at": of.created_at,
            "planned_epoch": to.standing.epoch,
            **values,
        }
    )


@cache
def _rsa_pem(number: int = 0) -> str:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def service_account(project: str = "shop-1", **values: Any) -> str:
    """A service account's key file as Firebase's console gives it, with a real key."""
    return json.dumps(
        {
            "type": "service_account",
            "project_id": project,
            "private_key_id": "0123456789abcdef",
            "private_key": _rsa_pem(),
            "client_email": f"push@{project}.iam.gserviceaccount.com",
            "token_uri": "https://oauth2.googleapis.com/token",
            **values,
        }
    )


def another_service_account() -> str:
    """The same account's next key file."""
    return service_account(private_key=_rsa_pem(1), private_key_id="fedcba9876543210")


@cache
def another_p8() -> str:
    """The key that comes after `p8` was revoked."""
    return p8.__wrapped__()


@cache
def p8() -> str:
    """An Apple signing key, as its file holds it."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


TEAM, KEY_ID, APP = "TEAM123456", "KEY1234567", "com.example.shop"


def fcm_credential(**values: Any) -> Credential:
    """Made as the console makes it, from a real service account."""
    given = {"service_account": service_account(), "app": "", "now": NOW, **values}
    return credentials.keep(credentials.fcm_credential(f"Android {next(_number)}", **given))


def apns_credential(**values: Any) -> Credential:
    """Made as the console makes it, from a real signing key; production."""
    given = {"p8": p8(), "team_id": TEAM, "key_id": KEY_ID, "app": APP, "environment": "production", "now": NOW}
    return credentials.keep(credentials.apns_credential(f"Apple {next(_number)}", **{**given, **values}))
