"""What a rule is refused with."""

from __future__ import annotations


class InvalidRule(ValueError):
    """A rule that means nothing: `path` leads to the place (keys and positions), the message says what to change."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message
