"""What `manage.py check` says of the servers that the site leans on. No process starts with a Redis that forgets keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.utils import timezone

from audiences.database_clock import database_now
from console.own_servers import redis_policy

PATIENCE = 2.0
MOST_SKEW = 5.0


@register()
def redis_keeps_what_it_has(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """A Redis that is away says nothing: the site starts without it."""
    try:
        client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)
        policy = redis_policy(client)
    except (redis.RedisError, OSError):
        return []
    if policy in ("", "noeviction"):
        return []
    return [
        Error(
            f"REDIS_URL names a Redis that forgets keys: its maxmemory-policy is {policy}.",
            hint="Set its maxmemory-policy to noeviction, or give Heed a Redis of its own.",
            id="heed.E001",
        )
    ]


@register(Tags.database)
def clocks_agree(app_configs: object, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Only where a database is named: `manage.py check --database default`."""
    if not databases:
        return []
    wrong = wrong_clock()
    if not wrong:
        return []
    hint = (
        "Let both keep time by NTP. Sending, launches and people's choices go by PostgreSQL's clock; some figures of pages "
        "by their host's."
    )
    return [Warning(f"This host's clock is {wrong} PostgreSQL's.", hint=hint, id="heed.W001")]


def wrong_clock() -> str:
    """How far this host's clock is from PostgreSQL's, such as "90 s ahead of", or nothing where they agree. One query."""
    before = timezone.now()
    said = database_now()
    skew = (said - before - (timezone.now() - before) / 2).total_seconds()
    if abs(skew) < MOST_SKEW:
        return ""
    return f"{abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'}"
