"""B11: one, two and four workers on the same wave: messages a second, and how many a second of the machine's CPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.benchmarks import pushes

WORKERS = (1, 2, 4)
MESSAGES = 16_000


def run(data: Path, wanted: set[str]) -> list[dict[str, Any]]:
    cores = os.cpu_count() or 1
    found = {workers: pushes.together(data, workers=workers, messages=MESSAGES) for workers in WORKERS}
    speed, frugal = found[1]
    # What one worker, PostgreSQL and the sink leave of the cores is all that further workers can use.
    results = []
    for workers in WORKERS[1:]:
        ideal = min(workers, cores * frugal / speed)
        results.append(
            {
                "id": f"B11 {workers} workers",
                "ratio": found[workers][0] / speed / ideal,
                "goal": 0.9,
                "met": found[workers][0] / speed / ideal >= 0.9,
                "says": f"{found[workers][0]:,.0f} messages a second against {speed:,.0f} with one, "
                f"{ideal:.2f} times as many being what {cores} cores hold with PostgreSQL and the sink on them; "
                f"{found[workers][1] / frugal:.2f} of its messages a CPU second",
            }
        )
    return results
