"""Answers of the tracking API. SDKs retry 429 and 5xx, and drop a batch on every other 4xx."""

from __future__ import annotations

from typing import Any

import msgspec
from django.http import HttpResponse


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(
        self, status: int, code: str, message: str, *, retry_after: int = 0, allow: str = "", **more: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.allow = allow
        self.more = more

    def response(self) -> HttpResponse:
        response = answer({"code": self.code, "message": self.message, **self.more}, status=self.status)
        if self.retry_after:
            response["Retry-After"] = str(self.retry_after)
        if self.allow:
            response["Allow"] = self.allow
        if self.status == 401:
            response["WWW-Authenticate"] = 'Basic realm="write key"'
        return response


def answer(data: Any, *, status: int = 200) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(data), status=status, content_type="application/json")


def unknown_key() -> Refused:
    return Refused(401, "unknown_write_key", "This write key is not known. Settings > Sources shows your keys.")


def too_large(message: str) -> Refused:
    return Refused(413, "too_large", message)


def malformed(path: str, reason: str, **more: Any) -> Refused:
    return Refused(400, "malformed", f"{path}: {reason}" if path else reason, path=path, **more)
