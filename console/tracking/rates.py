"""How often an address, or a person, may call: a token bucket in Redis. Without Redis nobody is limited, nothing fails."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

import redis
from django.conf import settings
from redis.commands.core import Script

from console.tracking.refusals import Refused

# Tokens a second, and how many may be saved up.
RATES = {
    "api": (50.0, 200.0),
    "send": (10.0, 50.0),
    "receipts": (50.0, 500.0),
    "devices": (1.0, 60.0),
    "preferences": (1 / 6, 10.0),
}
MOST_KEPT = 10
MOST_CALLERS = 10_000
KEPT_SECONDS = 1.0
PAUSE = 1.0  # seconds without limits after Redis failed, so that its absence does not slow every call

_BUCKET = """
local now = redis.call('TIME')
local at = now[1] + now[2] / 1000000
local rate, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = math.min(most, (tonumber(kept[1]) or most) + math.max(0, at - (tonumber(kept[2]) or at)) * rate)
local granted = math.min(tonumber(ARGV[3]), math.floor(tokens))
local wait = 0
if granted >= 1 then tokens = tokens - granted else wait = (1 - tokens) / rate end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.6f', at))
redis.call('EXPIRE', KEYS[1], math.ceil(most / rate) + 1)
return {granted, tostring(wait), math.floor(tokens)}
"""

_paused_until = 0.0
_kept: dict[str, tuple[int, float, int]] = {}  # name → tokens in hand, until when, and how many were left in Redis
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Left:
    """At most `limit` tokens are saved up, `remaining` are left, and all are back in `reset` seconds."""

    limit: int
    remaining: int
    reset: int


def _spend_kept(name: str) -> int | None:
    """How many are left after one was taken from the tokens in hand; None where there is none."""
    with _lock:
        tokens, until, beyond = _kept.get(name, (0, 0.0, 0))
        if tokens < 1 or until < time.monotonic():
            return None
        _kept[name] = (tokens - 1, until, beyond)
        return tokens - 1 + beyond


def _keep(name: str, tokens: int, beyond: int) -> None:
    with _lock:
        if len(_kept) >= MOST_CALLERS:
            _kept.clear()
        _kept[name] = (tokens, time.monotonic() + KEPT_SECONDS, beyond)


@cache
def _script() -> Script:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=0.2, socket_connect_timeout=0.2)
    return client.register_script(_BUCKET)


def spend(kind: str, *who: str) -> Left | None:
    """Take one token of this kind from whoever calls. Returns what is left, None where nothing is limited (now). Raises
    Refused with 429 and Retry-After."""
    rate, most = _rate(kind)
    if not rate:
        return None
    name = _name(kind, who)
    if (remaining := _spend_kept(name)) is not None:
        return _left(rate, most, remaining)
    # A tenth of a second's tokens at a time: a busy caller costs a round trip to Redis now and then only.
    granted, wait, beyond = _ask(name, rate, most, wanted=max(1, min(MOST_KEPT, int(rate / 10))))
    if granted < 1 and wait > 0:
        raise Refused(
            429,
            "too_many_requests",
            "Too many requests from this address. Wait, and send batches.",
            retry_after=math.ceil(wait),
        )
    if beyond is None:
        return None
    if granted > 1:
        _keep(name, granted - 1, beyond)
    return _left(rate, most, granted - 1 + beyond)


def spent(kind: str) -> Left | None:
    """What is left to who was refused: nothing."""
    rate, most = _rate(kind)
    return _left(rate, most, 0) if rate else None


def _left(rate: float, most: float, remaining: int) -> Left:
    return Left(int(most), remaining, math.ceil((most - remaining) / rate))


def take(kind: str, *who: str, wanted: int) -> int:
    """Take as many of so many tokens as there are. Returns how many."""
    rate, most = _rate(kind)
    return _ask(_name(kind, who), rate, most, wanted=wanted)[0] if rate else wanted


def _rate(kind: str) -> tuple[float, float]:
    """Tokens a second (0: no limit), and how many may be saved up."""
    if kind == "device_origins":
        return settings.HEED_DEVICE_RATE, settings.HEED_DEVICE_RATE * 40
    return RATES.get(kind) or (settings.HEED_TRACK_RATE, max(1, settings.HEED_TRACK_RATE * 2))


def _name(kind: str, who: tuple[str, ...]) -> str:
    # Keys are secrets: only their hash is in Redis.
    return "rate:" + kind + ":" + sha256("\n".join(who).encode()).hexdigest()[:32]


def _ask(name: str, rate: float, most: float, *, wanted: int) -> tuple[int, float, int | None]:
    """(tokens granted, seconds until the next one, tokens left). Without Redis: all of them, and nobody knows."""
    global _paused_until
    if time.monotonic() < _paused_until:
        return wanted, 0.0, None
    try:
        granted, wait, left = _script()(keys=[name], args=[rate, most, wanted])
    except redis.RedisError:
        _paused_until = time.monotonic() + PAUSE
        return wanted, 0.0, None
    return int(granted), float(wait), int(left)


def forget() -> None:
    """Drop the tokens in hand: the next call asks Redis."""
    with _lock:
        _kept.clear()
