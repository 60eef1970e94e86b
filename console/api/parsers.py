"""JSON as clients send it."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from rest_framework.parsers import JSONParser

from audiences.calls import whole_characters


class WholeCharacters(JSONParser):
    """JSON in which a text may have been cut in an emoji: what is left of it becomes U+FFFD, which can be stored."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return super().parse(BytesIO(whole_characters(stream.read())), media_type, parser_context)
