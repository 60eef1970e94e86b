"""How many devices a public key may register: so many from one address, and so many for one source and origin."""

from __future__ import annotations

from django.http import HttpRequest

from audiences.mobile import Room
from audiences.models import Source
from console.client_address import client_address
from console.tracking import rates
from console.tracking.door import is_own
from console.tracking.refusals import Refused


def spend_one(request: HttpRequest, source: Source) -> None:
    """Pay for one registration. Raises Refused: 403 for pages of a foreign site, 429 where there were too many."""
    if is_foreign(request):
        raise Refused(403, "foreign_origin", "HEED_CORS_ORIGINS names the sites whose pages may register devices.")
    if not source.is_trusted:
        rates.spend("devices", client_address(request))
        rates.spend("device_origins", *_origin(request, source))


def room(request: HttpRequest, source: Source) -> Room | None:
    """How many of so many new tokens, that came along with calls, may be registered; None is no limit."""
    if source.is_trusted:
        return None
    if is_foreign(request):
        return lambda wanted: 0

    def granted(wanted: int) -> int:
        wanted = rates.take("devices", client_address(request), wanted=wanted)
        return rates.take("device_origins", *_origin(request, source), wanted=wanted) if wanted else 0

    return granted


def is_foreign(request: HttpRequest) -> bool:
    """Whether a browser sends this from a page of a site that is not ours. Apps and servers send no origin."""
    origin = request.META.get("HTTP_ORIGIN")
    return bool(origin) and not is_own(request, str(origin))


def _origin(request: HttpRequest, source: Source) -> tuple[str, str]:
    return str(source.pk), request.META.get("HTTP_ORIGIN", "")
