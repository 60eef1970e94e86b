"""B11: one, two and four workers on the same wave: messages a second, and how many a second of the machine's CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks import pushes
from tests.benchmarks.world import ROOT, WARM, Sink, busy_cpu

WORKERS = (1, 2, 4)
MESSAGES = 8_000


def run(data: Path, wanted: set[str]) -> list[dict[str, Any]]:
    cores = os.cpu_count() or 1
    found = {workers: _measure(data, workers) for workers in WORKERS}
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


def _measure(data: Path, workers: int) -> tuple[float, float]:
    """(messages a second, messages a CPU second of everything on this machine) with so many workers."""
    sink = Sink(data)
    try:
        pushes.prepare(data, sink, MESSAGES + WARM * workers, name=f"Scaling {workers}")
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.push_worker", "1", str(MESSAGES), "wait"],
                cwd=ROOT,
                env=os.environ | {"HEED_PUSH_ORIGINS": sink.origin},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(workers)
        ]
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError("a worker did not start")
        began, used = time.monotonic(), busy_cpu()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        counts = [json.loads(process.communicate()[0])["count"] for process in processes]
        took, used = time.monotonic() - began, busy_cpu() - used
        return sum(counts) / took, sum(counts) / used
    finally:
        sink.stop()
