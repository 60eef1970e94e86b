"""What stands in an address and must not stand in a log: the tokens of preference links, and write keys."""

from __future__ import annotations

import logging
import re

_SECRET = re.compile(r"(/p/|/v1/projects/)[^/\s?]+")


class Masked(logging.Filter):
    """Lets every record pass, without what its address gives away."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if "/p/" in said or "/v1/projects/" in said:
            record.msg, record.args = _SECRET.sub(r"\1...", said), ()
        return True
