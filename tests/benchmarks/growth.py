"""B10: whether a unit of work costs the same in small and in large: pushes (B1), planning (B4) and ingest (B5), at 1, 10
and 100 times the size; and whether a worker's memory stays flat."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks import ingesting, planning, pushes
from tests.benchmarks.world import ROOT, WARM, Sink

STEPS = (1, 10, 100)
PUSHES, PROFILES, EVENTS = 2_000, 10_000, 4_000
MOST_MEMORY = 200


def run(data: Path, wanted: set[str]) -> list[dict[str, Any]]:
    # First, for it is to plan for all who are there.
    plans = {step: planning.cost(PROFILES * step) for step in STEPS}
    costs, memory = _pushes(data)
    return [
        _line("B10 pushes", costs),
        _line("B10 planning", plans),
        _line("B10 ingest", ingesting.costs(data, {step: EVENTS * step for step in STEPS})),
        {
            "id": "B10 memory",
            "ratio": memory[100] / memory[1],
            "goal": 1.1,
            "met": memory[100] <= min(MOST_MEMORY, 1.1 * memory[1]),
            "says": "a worker's peak: " + ", ".join(f"{memory[step]:.0f} MB at {step}×" for step in STEPS),
        },
    ]


def _pushes(data: Path) -> tuple[dict[int, float], dict[int, float]]:
    """By step, for as many people as pushes: CPU seconds of worker and PostgreSQL a push, and the worker's peak in MB."""
    sink = Sink(data)
    costs, memory = {}, {}
    try:
        for step in STEPS:
            count = PUSHES * step
            pushes.prepare(data, sink, count + WARM, name=f"Growth {step}")
            line = subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.push_worker", "1", str(count)],
                cwd=ROOT,
                env=os.environ | {"HEED_PUSH_ORIGINS": sink.origin},
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout
            one = json.loads(line)
            if one["count"] < count:
                raise RuntimeError(f"{one['count']} of {count} were sent: this run measures nothing")
            costs[step] = (one["cpu"] + one["database"]) / one["count"]
            memory[step] = one["memory"]
    finally:
        sink.stop()
    return costs, memory


def _line(name: str, costs: dict[int, float]) -> dict[str, Any]:
    worst = max(costs[step] / costs[1] for step in STEPS[1:])
    return {
        "id": name,
        "ratio": worst,
        "goal": 1.1,
        "met": worst <= 1.1,
        "says": ", ".join(f"{costs[step] * 1e6:.1f} µs each at {step}×" for step in STEPS),
    }
