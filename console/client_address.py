"""Who is calling, as far as an address tells."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The caller's address. Behind HEED_PROXIES proxies it is that many places from the end of X-Forwarded-For.

    What a caller writes into the header itself stands further left and is never believed.
    """
    if settings.HEED_PROXIES:
        hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        if len(hops) >= settings.HEED_PROXIES and hops[-settings.HEED_PROXIES]:
            return hops[-settings.HEED_PROXIES]
    return str(request.META.get("REMOTE_ADDR", ""))
