"""Which addresses a message may open or show."""

from __future__ import annotations

import re

LONGEST = 2_000
# No user name before the host: https://shop.example@evil.example is not the shop's.
ABSOLUTE = re.compile(r"https://[^\s/\\@?#:%]+(:\d{1,5})?([/?#][^\s\\]*)?")
RELATIVE = re.compile(r"/(?![/\\])[^\s\\]*")


def why_not(link: str, *, site_url: str = "") -> str:
    """Why this address is not allowed, in a marketer's words; empty when it is.

    Allowed are https addresses, paths on the own site ("/sale"), and the site itself (`site_url`), be it on http.
    """
    if len(link) > LONGEST:
        return f"The link has more than {LONGEST:,} characters."
    if RELATIVE.fullmatch(link) or ABSOLUTE.fullmatch(link):
        return ""
    if site_url and (link == site_url or link.startswith(f"{site_url.rstrip('/')}/")):
        return (
            "" if re.fullmatch(r"[^\s\\]+", link) else "The link has blanks in it: put | url_encode after each value."
        )
    if re.search(r"\s", link):
        return "The link has blanks in it: put | url_encode after each value."
    return "A link begins with https:// or, on your own site, with a single /."
