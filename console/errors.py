"""The page for what went wrong: no stack, no SQL, only a number under which the log has the rest."""

from __future__ import annotations

import logging
import secrets

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

logger = logging.getLogger(__name__)


def server_error(request: HttpRequest) -> HttpResponse:
    """A 500 with an id that is in the log as well."""
    error_id = secrets.token_hex(4)
    logger.error("error %s on %s %s", error_id, request.method, request.path)
    return render(request, "500.html", {"error_id": error_id}, status=500)
