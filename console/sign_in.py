"""Signing in to the console, with a pause for who guesses."""

from __future__ import annotations

import hashlib
import logging

import redis
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.forms import AuthenticationForm

from console.client_address import client_address

WINDOW_SECONDS = 15 * 60
WRONG_PER_NAME = 5
"""For one name from one address: nobody elsewhere can lock a colleague out."""
WRONG_PER_ADDRESS = 50
"""For one address, whatever the names: a whole office behind one address still gets in."""

logger = logging.getLogger(__name__)


class SignInForm(AuthenticationForm):
    """Name and password. After too many wrong ones the right one waits as well."""

    error_messages = AuthenticationForm.error_messages | {
        "invalid_login": "This name and password do not belong together. Both mind capital letters.",
        "inactive": "This account may not sign in.",
    }

    def clean(self) -> dict[str, object]:
        keys = _keys(self.request, self.cleaned_data.get("username") or "")
        if _exceeded(keys):
            raise ValidationError("Too many wrong passwords. Try again in a quarter of an hour.", code="locked")
        try:
            cleaned: dict[str, object] = super().clean()
        except ValidationError:
            _count(keys)
            raise
        return cleaned


def _keys(request: HttpRequest, name: str) -> dict[str, int]:
    address = client_address(request)
    # A hash, since what people type into the wrong field may be a password.
    typed = hashlib.sha256(f"{address}\n{name.lower()}".encode()).hexdigest()[:32]
    return {f"heed:sign-in:name:{typed}": WRONG_PER_NAME, f"heed:sign-in:address:{address}": WRONG_PER_ADDRESS}


def _exceeded(keys: dict[str, int]) -> bool:
    try:
        counts = _redis().mget(list(keys))
    except redis.RedisError:
        # Without Redis nobody can be counted; to lock everyone out would be worse.
        logger.warning("wrong passwords are not counted: Redis does not answer")
        return False
    return any(int(count or 0) >= most for count, most in zip(counts, keys.values(), strict=True))


def _count(keys: dict[str, int]) -> None:
    try:
        with _redis().pipeline() as pipe:
            for key in keys:
                pipe.set(key, 0, ex=WINDOW_SECONDS, nx=True)
                pipe.incr(key)
            pipe.execute()
    except redis.RedisError:
        logger.warning("a wrong password was not counted: Redis does not answer")


def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2)
