"""Every address of the site, as the URLconf has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver


@dataclass(frozen=True, slots=True)
class Route:
    """One pattern of the URLconf as text, with its parameters in it."""

    text: str
    view: Callable[..., Any]

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"<(?:\w+:)?(\w+)>", self.text)

    def address(self, **values: object) -> str:
        filled = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(values[found[1]]), self.text)
        return "/" + filled.replace("(?P<url>.*)$", "nowhere/at/all")


def routes() -> list[Route]:
    def walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[Route]:
        for one in patterns:
            text = before + str(one.pattern)
            if isinstance(one, URLResolver):
                yield from walk(one.url_patterns, text)
            else:
                yield Route(text, one.callback)

    return list(walk(get_resolver().url_patterns, ""))
