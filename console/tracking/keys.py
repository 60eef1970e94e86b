"""The write key of a request: Basic, Bearer, in the body, or in the address."""

from __future__ import annotations

from base64 import b64decode

from django.http import HttpRequest

from audiences.models import Source
from audiences.sources import is_kept, source_of_key
from console.client_address import client_address
from console.tracking import rates
from console.tracking.refusals import unknown_key


def source_of(request: HttpRequest, in_body: str | None = None) -> Source:
    """The source whose key the request carries, within its rate. Raises Refused with 401 or 429."""
    key = _in_header(request.META.get("HTTP_AUTHORIZATION", "")) or in_body or request.GET.get("writeKey", "")
    if not key or len(key) > 200:
        raise unknown_key()
    # Unknown keys share one bucket an address, so that guessing does not reach the database at will.
    rates.spend("track", key if is_kept(key) else "?", client_address(request))
    source = source_of_key(key)
    if source is None:
        raise unknown_key()
    return source


def _in_header(said: str) -> str:
    scheme, _, rest = said.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return b64decode(rest, validate=False).decode().partition(":")[0]
        except ValueError:
            return ""
    return ""
