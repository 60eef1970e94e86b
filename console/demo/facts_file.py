"""`demo.json` in the data folder: what someone needs to use the demo by hand or by program."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.conf import settings

NAME = "demo.json"


def path() -> Path:
    return Path(settings.HEED_DATA) / NAME


def read() -> dict[str, Any]:
    """The facts, or an empty dictionary where no demo was loaded."""
    try:
        loaded: dict[str, Any] = json.loads(path().read_text())
    except FileNotFoundError:
        return {}
    return loaded


def write(facts: dict[str, Any]) -> None:
    """Written whole or not at all, and readable by its owner alone: it holds keys."""
    part = path().with_suffix(".part")
    part.write_text(json.dumps(facts, indent=2) + "\n")
    part.chmod(0o600)
    os.replace(part, path())
