"""What a push token looks like: refused where it can be none, before anything is stored or sent."""

from __future__ import annotations

import re

from audiences.models import Device

_APNS = re.compile(r"(?:[0-9a-f]{2}){32,100}")
LONGEST_FCM = 4096


class NoToken(ValueError):
    """This is no token of that gateway; the message says what one looks like."""


def checked_token(gateway: str, token: str) -> str:
    """The token as it is kept: Apple's in small letters. Raises NoToken."""
    if gateway == Device.Gateway.APNS:
        token = token.lower()
        if not _APNS.fullmatch(token):
            raise NoToken("Give the APNs device token as 64 to 200 hexadecimal digits.")
    elif not (0 < len(token) <= LONGEST_FCM and token.isascii() and token.isprintable() and " " not in token):
        raise NoToken(f"Give the FCM registration token: up to {LONGEST_FCM} printable characters without spaces.")
    return token
