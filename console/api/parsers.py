"""JSON as clients send it. What PostgreSQL cannot store is mended where it can be, and refused with its place where not."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from rest_framework import exceptions, status
from rest_framework.parsers import JSONParser

from audiences.calls import whole_characters


class HasNul(exceptions.APIException):
    """`pointer` says which text has it."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "nul_character"
    default_detail = "This holds a NUL character (\\u0000), which cannot be stored. Leave it out."

    def __init__(self, pointer: str) -> None:
        super().__init__()
        self.pointer = pointer


class JsonBody(JSONParser):
    """A text may have been cut in an emoji: what is left of it becomes U+FFFD. One with a NUL is refused."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        text = whole_characters(stream.read())
        try:
            found = super().parse(BytesIO(text), media_type, parser_context)
        except RecursionError:
            raise exceptions.ParseError("This is nested too deeply.") from None
        encoding = str((parser_context or {}).get("encoding", "utf-8")).lower()
        # Only then is it worth a look at every text.
        if (b"\\u0000" in text or encoding != "utf-8") and (pointer := _nul_in(found)) is not None:
            raise HasNul(pointer)
        return found


def _nul_in(found: Any) -> str | None:
    """Where the first NUL is, as a JSON pointer; None where there is none."""
    if isinstance(found, str):
        return "" if "\0" in found else None
    pairs = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for name, value in pairs:
        if "\0" in str(name):
            return ""
        if (inner := _nul_in(value)) is not None:
            return f"/{name}{inner}"
    return None
