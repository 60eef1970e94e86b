"""Posts that may be repeated: with the same Idempotency-Key a post has its effect once, and the same answer each time.

The key counts for one API key and endpoint, for 30 days. An advisory lock says that a post is in flight; the answer is
written in the transaction of the effect. What fails has no effect and leaves nothing behind.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any

from django.db import connection, transaction
from django.http import HttpResponse
from django.utils import timezone
from rest_framework import exceptions, status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from console.models import IdempotentAnswer

LONGEST_KEY = 255
KEPT_DAYS = 30
SLICE = 1_000


class InFlight(exceptions.APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "in_flight"
    default_detail = "The first request with this Idempotency-Key is still under way. Ask again."
    wait = 1


class OtherBody(exceptions.APIException):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"
    default_detail = "This Idempotency-Key was used with another body. Use a new key for a new request."


class BadKey(exceptions.APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "idempotency_key"
    default_detail = f"An Idempotency-Key has 1 to {LONGEST_KEY} characters, all of them printable."


def idempotent(post: Callable[..., Response]) -> Callable[..., HttpResponse]:
    """Make a view's method repeatable. It runs in one transaction, with or without a key; its errors are raised."""

    @wraps(post)
    def once(view: Any, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        key = request.headers.get("Idempotency-Key")
        if key is not None and not (1 <= len(key) <= LONGEST_KEY and key.isprintable()):
            raise BadKey
        with transaction.atomic():
            if key is None:
                return post(view, request, *args, **kwargs)
            scope = (request.auth.pk, f"{request.method} {request.path}"[:200], key)
            body_hash = sha256(_canonical(request.data)).hexdigest()
            if not _is_first(scope):
                raise InFlight
            kept = IdempotentAnswer.objects.filter(api_key=scope[0], endpoint=scope[1], key=key).first()
            if kept is None:
                response = post(view, request, *args, **kwargs)
                answer = JSONRenderer().render(response.data)
                IdempotentAnswer.objects.create(
                    api_key_id=scope[0],
                    endpoint=scope[1],
                    key=key,
                    body_hash=body_hash,
                    status=response.status_code,
                    answer=answer,
                    made_at=timezone.now(),
                )
                return _answer(response.status_code, answer)
        if kept.body_hash != body_hash:
            raise OtherBody
        again = _answer(kept.status, bytes(kept.answer))
        again["Idempotent-Replayed"] = "true"
        return again

    return once


def _canonical(data: Any) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), default=str).encode(errors="surrogatepass")


def _is_first(scope: tuple[int, str, str]) -> bool:
    """Whether nobody else has a request of this scope in flight. Held until the transaction ends, however it ends."""
    number = int.from_bytes(sha256("\n".join(map(str, scope)).encode()).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return bool(cursor.fetchone()[0])


def _answer(code: int, body: bytes) -> HttpResponse:
    return HttpResponse(body, status=code, content_type="application/json")


def drop_old(*, now: dt.datetime, most: int = 50) -> int:
    """Forget answers after 30 days, in slices, so that no lock is held for long. Returns how many."""
    old = IdempotentAnswer.objects.filter(made_at__lt=now - dt.timedelta(days=KEPT_DAYS)).order_by("made_at")
    total = 0
    for _ in range(most):
        ids = list(old.values_list("pk", flat=True)[:SLICE])
        total += IdempotentAnswer.objects.filter(pk__in=ids).delete()[0]
        if len(ids) < SLICE:
            break
    return total
