"""Which addresses may be contacted: no private network, no surprise host (SSRF)."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache

from django.conf import settings

PUSH_HOSTS = (
    "fcm.googleapis.com",
    ".push.services.mozilla.com",
    ".push.apple.com",
    ".notify.windows.com",
)
LONGEST_URL = 2048

# Strict on purpose: no user info, no brackets, no backslash, no fragment, nothing but ASCII.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+|\[[0-9a-f:]+\])(?::(?P<port>\d{1,5}))?(?P<path>/[!\"$-\[\]-~]*)"
)
_TRANSLATED = [ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")]

WELL_KNOWN = frozenset(
    {
        "https://fcm.googleapis.com",
        "https://oauth2.googleapis.com",
        "https://api.push.apple.com",
        "https://api.sandbox.push.apple.com",
    }
)

Resolver = Callable[[str, int], Sequence[str]]


def named_origins() -> frozenset[str]:
    """Origins that the settings name: they may be http, local and on any port."""
    gateways = {
        settings.HEED_FCM_ORIGIN,
        settings.HEED_FCM_TOKEN_ORIGIN,
        settings.HEED_APNS_ORIGIN,
        settings.HEED_APNS_SANDBOX_ORIGIN,
    }
    return frozenset({*settings.HEED_PUSH_ORIGINS, *(gateways - WELL_KNOWN)})


class UnsafeAddress(ValueError):
    """The address may not be contacted; the message says why."""


@lru_cache(maxsize=1024)
def origin_of(url: str) -> str:
    """`scheme://host[:port]` of a URL that has the strict form, or UnsafeAddress."""
    found = _URL.fullmatch(url) if len(url) <= LONGEST_URL else None
    if not found:
        raise UnsafeAddress("This is not a plain address such as https://push.example.com/abc.")
    port = found["port"]
    if port and int(port) == {"http": 80, "https": 443}[found["scheme"]]:
        port = None
    return f"{found['scheme']}://{found['host']}" + (f":{port}" if port else "")


def check_push_address(url: str, *, exempt: Collection[str] = ()) -> str:
    """The origin of a push endpoint that may be used: a known push service over https, or one that you named.

    Raises UnsafeAddress. Nothing is resolved here; the client does that, and checks what it finds.
    """
    origin = origin_of(url)
    if origin in exempt:
        return origin
    host = origin.removeprefix("https://")
    if host == origin or ":" in host:
        raise UnsafeAddress("A push endpoint must use https on port 443.")
    if not any(host == known or (known.startswith(".") and host.endswith(known)) for known in PUSH_HOSTS):
        raise UnsafeAddress(f"{host} is not a push service that this site knows. HEED_PUSH_ORIGINS can name others.")
    return origin


def check_public(address: str) -> None:
    """Refuse an IP address that is not on the public internet, in whatever disguise."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        elif any(ip in net for net in _TRANSLATED):
            raise UnsafeAddress(f"{address} leads into another network.")
    if not ip.is_global or ip.is_multicast or ip.is_reserved or ip.is_unspecified:
        raise UnsafeAddress(f"{address} is not a public address.")


def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of the host, by the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def pinned(host: str, port: int, *, resolver: Resolver = resolve) -> list[str]:
    """The host's addresses to connect to, after *all* of them were found public. Raises OSError, UnsafeAddress."""
    addresses = list(resolver(host, port))
    if not addresses:
        raise OSError(f"{host} has no address")
    for address in addresses:
        check_public(address)
    return addresses
