"""What a name stands for when there is no value: false in a condition, replaced by `default`, an error in the text."""

from __future__ import annotations

from typing import Any

from liquid.exceptions import UndefinedError
from liquid.undefined import Undefined


class Missing(Undefined):
    """No value: an unknown key, null, or a blank text. `name` is the path as it was written."""

    __slots__ = ()
    force_liquid_default = True

    def __str__(self) -> str:
        raise UndefinedError(f"{self.name} is empty and has no fallback", token=self.token)

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Undefined)


def is_blank(value: Any) -> bool:
    """Whether a value says nothing: missing, null, blank text, empty list or mapping. 0 and false do say something."""
    if value is None or isinstance(value, Missing):
        return True
    if isinstance(value, str):
        return not value or value.isspace()
    return isinstance(value, (list, tuple, dict)) and not value
