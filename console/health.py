"""`/healthz`: what works and what does not, for a load balancer and for a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from console.heartbeat import last_seen

STALE_SECONDS = 90


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(missing)} not applied: run python manage.py migrate" if missing else "ok"


def _redis() -> str:
    redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2).ping()
    return "ok"


def _heartbeat(name: str) -> str:
    age = last_seen(name)
    if age is None:
        return "not seen yet"
    return "ok" if age < STALE_SECONDS else f"last seen {age:.0f} s ago"


PARTS: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _migrations,
    "redis": _redis,
    "clock": lambda: _heartbeat("clock"),
    "worker": lambda: _heartbeat("worker"),
}


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when every part is ok, else 503; either way the parts, each with one line."""
    parts: dict[str, Any] = {}
    for name, check in PARTS.items():
        try:
            parts[name] = check()
        except (DatabaseError, redis.RedisError, ImproperlyConfigured, OSError) as problem:
            parts[name] = f"{type(problem).__name__}: not reachable"
    healthy = all(value == "ok" for value in parts.values())
    return JsonResponse({"ok": healthy, "parts": parts}, status=200 if healthy else 503)
