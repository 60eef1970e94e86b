"""What every endpoint of the tracking API shares: methods, CORS, and errors as JSON that SDKs understand.

All of them take a key or a signed token and no cookie, so they need no CSRF token: this decorator is the one place
that exempts them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from urllib.parse import urlsplit

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from console.tracking.refusals import Refused

logger = logging.getLogger(__name__)
RETRY_SECONDS = 5
PREFLIGHT_SECONDS = "7200"

View = Callable[..., HttpResponse]


def endpoint(method: str) -> Callable[[View], View]:
    """A view for one method (and OPTIONS): the site's own origins may call it from their pages."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
            if request.method == "OPTIONS":
                response = _preflight(request, method)
            else:
                response = _guarded(view, request, method, *args, **kwargs)
            _allow_origin(request, response)
            return response

        return csrf_exempt(wrapped)

    return decorate


def _guarded(view: View, request: HttpRequest, method: str, *args: object, **kwargs: object) -> HttpResponse:
    try:
        if request.method not in (method, "HEAD" if method == "GET" else method):
            raise Refused(405, "wrong_method", f"Use {method}.", allow=f"{method}, OPTIONS")
        return view(request, *args, **kwargs)
    except Refused as refused:
        return refused.response()
    except (OperationalError, InterfaceError) as problem:
        logger.warning("the database is away: %s", type(problem).__name__)
        if not connection.in_atomic_block:
            connection.close()
        return Refused(
            503, "unavailable", "The database is away. Nothing was stored; send it again.", retry_after=RETRY_SECONDS
        ).response()


def is_own(request: HttpRequest, origin: str) -> bool:
    """Whether the origin is one of the site's: named in HEED_CORS_ORIGINS, the base URL's, or this very host."""
    return (
        origin in settings.HEED_CORS_ORIGINS
        or origin == settings.HEED_BASE_URL
        or urlsplit(origin).netloc == request.get_host()
    )


def _allow_origin(request: HttpRequest, response: HttpResponse) -> None:
    origin = request.META.get("HTTP_ORIGIN")
    if origin:
        response["Vary"] = "Origin"
        if is_own(request, origin):
            response["Access-Control-Allow-Origin"] = origin


def _preflight(request: HttpRequest, method: str) -> HttpResponse:
    response = HttpResponse(status=204)
    if is_own(request, request.META.get("HTTP_ORIGIN", "")):
        response["Access-Control-Allow-Methods"] = method
        response["Access-Control-Allow-Headers"] = "authorization, content-type, x-retry-count"
        response["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
        response["Vary"] = "Origin"
    return response
