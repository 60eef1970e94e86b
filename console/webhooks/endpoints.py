"""Endpoints: made, changed, given another secret, switched off and on, tried out; and what they missed, sent again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from audiences.sealing import seal, unseal
from console.models import WebhookDelivery, WebhookEndpoint
from console.webhooks.gathering import delivery
from console.webhooks.kinds import KINDS, TEST
from console.webhooks.signing import new_secret
from console.webhooks.sources import Event
from delivery.addresses import UnsafeAddress, origin_of, pinned
from delivery.payload import new_push_ids

PURPOSE = "webhook"
MOST_ENDPOINTS = 20
OLD_SECRET_HOURS = 24


class InvalidEndpoint(ValueError):
    """`field` is url, kinds or name; the message says what to change."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def create(
    name: str, url: str, kinds: Collection[str], *, made_by: str, now: dt.datetime
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint and its secret: the only time that it is seen. It is told what happens from now on."""
    if WebhookEndpoint.objects.count() >= MOST_ENDPOINTS:
        raise InvalidEndpoint("name", f"There are {MOST_ENDPOINTS} endpoints already: delete one first.")
    check_name(name)
    check_kinds(kinds)
    check_url(url)
    secret = new_secret()
    made = WebhookEndpoint.objects.create(
        public_id=UUID(next(new_push_ids(1))),
        name=name,
        url=url,
        kinds=sorted(set(kinds)),
        secret=seal(secret.encode(), purpose=PURPOSE),
        made_by=made_by[:120],
        created_at=now,
        since=_database_now(),
    )
    return made, secret


def change(endpoint: WebhookEndpoint, values: Mapping[str, Any]) -> None:
    """Give it another name, url or kinds. What waits goes to the new address; kinds count from now on."""
    if "name" in values:
        check_name(values["name"], but=endpoint.pk)
    if "kinds" in values:
        check_kinds(values["kinds"])
    if "url" in values:
        check_url(values["url"])
    for name, value in values.items():
        setattr(endpoint, name, sorted(set(value)) if name == "kinds" else value)
    endpoint.save(update_fields=list(values))


def check_name(name: str, *, but: int | None = None) -> None:
    if not name.strip():
        raise InvalidEndpoint("name", "Give it a name, such as the system that receives.")
    if WebhookEndpoint.objects.filter(name=name).exclude(pk=but).exists():
        raise InvalidEndpoint("name", "Another endpoint has this name.")


def check_url(url: str) -> None:
    """Refuse what may not be contacted: anything but https on port 443 at a public address, unless its origin is in
    HEED_WEBHOOK_ORIGINS. A host that is not found now is accepted: it is looked up again for each post."""
    try:
        origin = origin_of(url)
        if origin in settings.HEED_WEBHOOK_ORIGINS:
            return
        host = origin.removeprefix("https://")
        if host == origin or ":" in host:
            raise UnsafeAddress("Give an address with https on port 443. HEED_WEBHOOK_ORIGINS can name others.")
        pinned(host, 443)
    except UnsafeAddress as unsafe:
        raise InvalidEndpoint("url", str(unsafe)) from None
    except (OSError, UnicodeError):
        return


def check_kinds(kinds: Collection[str]) -> None:
    if not kinds:
        raise InvalidEndpoint("kinds", "Choose at least one kind of event.")
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise InvalidEndpoint("kinds", f"There is no kind {unknown[0]}. Known are {', '.join(KINDS)}.")


def rotate(endpoint: WebhookEndpoint, *, now: dt.datetime, hours: int = OLD_SECRET_HOURS) -> str:
    """Give it another secret, seen only now. The old one signs as well for so many hours."""
    secret = new_secret()
    endpoint.old_secret, endpoint.old_secret_until = endpoint.secret, now + dt.timedelta(hours=hours)
    endpoint.secret = seal(secret.encode(), purpose=PURPOSE)
    endpoint.save(update_fields=["secret", "old_secret", "old_secret_until"])
    return secret


def secrets_of(endpoint: WebhookEndpoint, *, now: dt.datetime) -> list[str]:
    """The secrets that sign now, the newest first."""
    sealed = [endpoint.secret]
    if endpoint.old_secret and endpoint.old_secret_until and endpoint.old_secret_until > now:
        sealed.append(endpoint.old_secret)
    return [unseal(one, purpose=PURPOSE).decode() for one in sealed]


def disable(endpoint: WebhookEndpoint, *, reason: str, now: dt.datetime) -> None:
    """Tell it nothing more. What still waited has failed, and can be sent again later."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(disabled_at=now, disabled_reason=reason[:200])
    waiting = WebhookDelivery.objects.filter(endpoint=endpoint, state=WebhookDelivery.State.PENDING)
    waiting.update(state=WebhookDelivery.State.FAILED, finished_at=now, lease_until=None)
    endpoint.refresh_from_db()


def enable(endpoint: WebhookEndpoint) -> None:
    """Tell it what happens from now on. What it missed while it was off is not told; what had failed can be sent
    again."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
        disabled_at=None, disabled_reason="", failing_since=None, failures=0, retry_at=None, since=_database_now()
    )
    endpoint.refresh_from_db()


def send_test(endpoint: WebhookEndpoint, *, now: dt.datetime) -> WebhookDelivery:
    """One event of the kind webhook.test, as a batch of its own. It goes out at once, even while others wait."""
    event = Event(f"evt_{UUID(next(new_push_ids(1))).hex}", TEST, now, now, {"endpoint": str(endpoint.public_id)})
    made = delivery(endpoint, [event], now=now)
    made.save()
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(retry_at=None)
    return made


def replay(deliveries: QuerySet[WebhookDelivery], *, now: dt.datetime) -> int:
    """Send these batches again, as they were: the same events with the same ids. Returns how many.

    What is waiting already is left alone.
    """
    done = deliveries.exclude(state=WebhookDelivery.State.PENDING)
    endpoints = set(done.values_list("endpoint", flat=True))
    count = done.update(
        state=WebhookDelivery.State.PENDING, due_at=now, give_up_at=None, finished_at=None, lease_until=None
    )
    WebhookEndpoint.objects.filter(pk__in=endpoints).update(retry_at=None)
    return count


def kinds_in_words(kinds: Sequence[str]) -> str:
    """A list of kinds as one line."""
    return "everything" if set(kinds) >= set(KINDS) else ", ".join(kinds)


def _database_now() -> dt.datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        moment: dt.datetime = cursor.fetchone()[0]
    return moment
