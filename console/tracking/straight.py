"""The tracking API's calls go straight to it, past what only pages need: sessions, sign-in, messages, a policy of scripts.

A call that comes alone would pay a quarter of its time for it.
"""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

ADDRESSES = ("/v1/", "/beacon/v1/", "/sourceConfig")
# Answers are data: as a page, none may do anything.
POLICY = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"

Answers = Callable[[HttpRequest], HttpResponse]


def straight(get_response: Answers) -> Answers:
    """The middleware. What is no call of the tracking API, or has another host's name, goes the usual way."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(ADDRESSES):
            return get_response(request)
        try:
            request.get_host()
            found = resolve(request.path_info, "console.tracking.urls")
        except (DisallowedHost, Resolver404):
            return get_response(request)
        response: HttpResponse = found.func(request, *found.args, **found.kwargs)
        response["Content-Security-Policy"] = POLICY
        response["X-Frame-Options"] = "DENY"
        response["Content-Length"] = str(len(response.content))
        return response

    return middleware
