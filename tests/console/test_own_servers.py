"""A start with one's own PostgreSQL and Redis: one line says what is wrong with them."""

import pytest
import redis
from django.conf import settings

from console import own_servers
from console.own_servers import check_servers

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(monkeypatch):
    """Both servers of this session are one's own; what the start says meanwhile."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://own")
    monkeypatch.setenv("REDIS_URL", settings.REDIS_URL)
    return []


def refusal(told):
    with pytest.raises(SystemExit) as stopped:
        check_servers(tell=told.append, patience=0.1)
    (line,) = str(stopped.value).splitlines()
    return line


def test_servers_that_are_as_they_must_be_are_taken(told, redis_server):
    check_servers(tell=told.append)
    assert told == []


def test_a_redis_that_is_not_there_is_waited_for_and_then_named(told, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert refusal(told).startswith("heed: REDIS_URL names a server that cannot be used: ")
    assert told == ["waiting for the server of REDIS_URL"]


def test_a_redis_that_forgets_keys_is_refused(told, redis_server):
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert refusal(told) == (
            "heed: REDIS_URL names a Redis that forgets keys (allkeys-lru): set its maxmemory-policy to noeviction."
        )
    finally:
        client.config_set("maxmemory-policy", "noeviction")


def test_servers_that_are_too_old_are_refused(told, redis_server, monkeypatch):
    monkeypatch.setattr(own_servers, "OLDEST_REDIS", (99, 0))
    assert "set the address of version 6.2 or newer" in refusal(told)
    monkeypatch.setattr(own_servers, "OLDEST_POSTGRES", 990_000)
    assert "set the address of version 15 or newer" in refusal(told)
