"""`make bench` [ONLY=B1,B4]: ratios of two things measured in one run, never times alone. Nothing is asserted.

Prints one table and writes docs/benchmarks.json; docs/benchmarks.md keeps its words and gets a new table.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
import sys
from importlib import import_module
from typing import Any

from tests.benchmarks import world

GROUPS = (
    ({"B4"}, "planning"),
    ({"B5"}, "ingesting"),
    ({"B1", "B2"}, "pushes"),
    ({"B3"}, "apps"),
    ({"B6"}, "urgent"),
    ({"B9"}, "pages"),
    ({"B9-LIVE"}, "following"),
    ({"B10"}, "growth"),
    ({"B11"}, "scaling"),
)
PAGE = world.ROOT / "docs" / "benchmarks.md"
LIST = world.ROOT / "docs" / "benchmarks.json"
BEGIN, END = "<!-- table -->", "<!-- /table -->"


def main() -> None:
    asked = {name for name in os.environ.get("ONLY", "").replace(" ", "").upper().split(",") if name}
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=world.ROOT
    ).stdout.strip()
    found: list[dict[str, Any]] = []
    for ids, module in GROUPS:
        if asked and not ids & asked:
            continue
        # Each group in a process and on a database of its own.
        child = os.fork()
        if child == 0:
            data, servers = world.start()
            try:
                results = import_module(f"tests.benchmarks.{module}").run(data, asked or ids)
                (world.ROOT / "var").mkdir(exist_ok=True)
                (world.ROOT / "var" / f"bench-{module}.json").write_text(json.dumps(results))
            finally:
                world.stop(data, servers)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            sys.exit(f"{module} failed; see above")
        for one in json.loads((world.ROOT / "var" / f"bench-{module}.json").read_text()):
            found.append(one | {"commit": commit, "date": dt.date.today().isoformat()})
            sys.stdout.write(f"{line(found[-1])}\n")
            sys.stdout.flush()
    write(found)


def line(one: dict[str, Any]) -> str:
    return f"| {one['id']} | {one['ratio']:.3f} | {one['goal']:.3f} | {'yes' if one['met'] else 'no'} | {one['says']} | {one['date']}, {one['commit']} |"


def write(found: list[dict[str, Any]]) -> None:
    """Put the new figures among the ones that were not run this time."""
    kept = json.loads(LIST.read_text()) if LIST.exists() else []
    fresh = {one["id"] for one in found}
    every = sorted([one for one in kept if one["id"] not in fresh] + found, key=lambda one: one["id"])
    LIST.write_text(json.dumps(every, indent=1, ensure_ascii=False) + "\n")
    versions = f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
    table = "\n".join(
        ["| | ratio | goal | met | figures | measured, at |", "|---|---|---|---|---|---|", *map(line, every)]
    )
    page = PAGE.read_text() if PAGE.exists() else f"# Benchmarks\n\n{BEGIN}{END}\n"
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{versions}\n\n{table}\n{END}{after}")


if __name__ == "__main__":
    main()
