"""Errors of the REST API: problem+json with a code, plain words, and a pointer to what is wrong."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response

RETRY_SECONDS = "5"
UNKNOWN_FIELD = "unknown_field"


class Invalid(exceptions.APIException):
    """The body was understood and cannot be done: `pointer` says which part."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "invalid"

    def __init__(self, detail: str, *, pointer: str = "") -> None:
        super().__init__(detail)
        self.pointer = pointer


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: every error has the same shape."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, OperationalError | InterfaceError):
        response = _problem(503, "unavailable", "The database is away. Nothing was changed; try again.")
        response["Retry-After"] = RETRY_SECONDS
        return response
    if not isinstance(error, exceptions.APIException):
        return None
    if isinstance(error, exceptions.ValidationError):
        pointer, first = _first(error.detail)
        code = first.code or "invalid"
        # What we do not know may be a typing error that would lose data: it is refused, not skipped.
        return _problem(400 if code == UNKNOWN_FIELD else 422, code, str(first), pointer)
    code = str(error.get_codes()) if isinstance(error.get_codes(), str) else error.default_code
    response = _problem(error.status_code, code, str(error.detail), getattr(error, "pointer", ""))
    if wait := getattr(error, "wait", None):
        response["Retry-After"] = str(int(wait) or 1)
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        response["WWW-Authenticate"] = "Bearer"
    return response


def _problem(code: int, name: str, detail: str, pointer: str = "") -> Response:
    body = {"type": "about:blank", "status": code, "code": name, "detail": detail}
    if pointer:
        body["pointer"] = pointer
    return Response(body, status=code, content_type="application/problem+json")


def _first(detail: Any, path: str = "") -> tuple[str, exceptions.ErrorDetail]:
    if isinstance(detail, dict):
        key, value = next(iter(detail.items()))
        return _first(value, path if key == "non_field_errors" else f"{path}/{key}")
    if isinstance(detail, list):
        for index, value in enumerate(detail):
            if isinstance(value, dict | list) and value:
                return _first(value, f"{path}/{index}" if isinstance(value, dict) else path)
            if isinstance(value, exceptions.ErrorDetail):
                return path, value
    return path, exceptions.ErrorDetail(str(detail), code="invalid")
