"""PostgreSQL and Redis of one's own: they answer, are new enough and set as they must be, or the start ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

import psycopg
import redis
from django.conf import settings
from django.db import DatabaseError, connection

from console.environment import refuse, text

OLDEST_POSTGRES = 150_000
OLDEST_REDIS = (6, 2)
# A server that is started at the same moment may need this long, in seconds.
PATIENCE = 20.0

Found = TypeVar("Found")


def check_servers(*, tell: Callable[[str], None], patience: float = PATIENCE) -> None:
    """Ends the start with one line where a server that the environment names is not what it must be."""
    if text("DATABASE_URL", ""):
        _check_database(_answer("DATABASE_URL", _database_version, tell=tell, patience=patience))
    if text("REDIS_URL", ""):
        _check_redis(*_answer("REDIS_URL", _redis_facts, tell=tell, patience=patience))


def _answer(name: str, ask: Callable[[], Found], *, tell: Callable[[str], None], patience: float) -> Found:
    end = time.monotonic() + patience
    told = False
    while True:
        try:
            return ask()
        except (DatabaseError, psycopg.Error, redis.RedisError, OSError) as problem:
            said = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
        if time.monotonic() > end:
            refuse(name, f"names a server that cannot be used: {said}")
        if not told:
            told = True
            tell(f"waiting for the server of {name}")
        time.sleep(0.5)


def _database_version() -> int:
    with closing(connection.copy()) as own, own.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        return int(cursor.fetchone()[0])


def _check_database(version: int) -> None:
    if version < OLDEST_POSTGRES:
        refuse("DATABASE_URL", f"names PostgreSQL {version // 10_000}: set the address of version 15 or newer.")


def _redis_facts() -> tuple[str, str]:
    """Its version, and what it does when its memory is full."""
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=5) as client:
        return str(client.info("server")["redis_version"]), redis_policy(client)


def redis_policy(client: redis.Redis) -> str:
    """What it does when its memory is full ("" where it does not tell)."""
    return str(client.info("memory").get("maxmemory_policy", ""))


def _check_redis(version: str, policy: str) -> None:
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS:
        refuse("REDIS_URL", f"names Redis {version}: set the address of version 6.2 or newer, or of Valkey.")
    if policy not in ("", "noeviction"):
        refuse("REDIS_URL", f"names a Redis that forgets keys ({policy}): set its maxmemory-policy to noeviction.")
