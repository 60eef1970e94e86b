"""Publishes the one file of plotly that pages need, straight from its wheel."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage

FILE = "plotly.min.js"


def _folder() -> Path:
    spec = find_spec("plotly")  # found, not imported: importing plotly is not free
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "package_data"


class PlotlyFinder(BaseFinder):
    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> str | list[str]:
        found = [str(_folder() / FILE)] if path == FILE else []
        return found if find_all else "".join(found)

    def list(self, ignore_patterns: Any) -> Iterator[tuple[str, FileSystemStorage]]:
        yield FILE, FileSystemStorage(location=_folder())
