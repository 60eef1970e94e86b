"""A trial of a message template in a child process that cannot hurt: one second of CPU, 512 MB of memory."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from campaigns.content_check import Problem
from campaigns.rendering import Unrenderable, compile_template

SAMPLES = 20
CPU_SECONDS = 1
MEMORY = 512 * 1024 * 1024
PATIENCE = 10.0  # seconds of the clock, on a machine that is busy with other things


def trial(fields: Mapping[str, Any], contexts: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """What goes wrong for up to 20 sample profiles, each problem once. A template that is too dear is an error;
    a value that is missing for one sample is a warning, for it holds back that profile's message only.

    Costs one process, about a fifth of a second.
    """
    question = msgspec.json.encode({"fields": fields, "contexts": list(contexts[:SAMPLES])}, enc_hook=str)
    try:
        child = subprocess.run(  # noqa: S603
            [sys.executable, "-m", __name__],
            input=question,
            capture_output=True,
            timeout=PATIENCE,
            cwd=Path(__file__).resolve().parent.parent,
            check=False,
        )
    except subprocess.TimeoutExpired:
        child = None
    if child is None or child.returncode != 0:
        return [Problem("", "This template takes too long or needs too much memory to fill in. Make it simpler.")]
    return [Problem(**one) for one in msgspec.json.decode(child.stdout)]


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _answer(question: bytes) -> bytes:
    asked = msgspec.json.decode(question)
    compiled = compile_template(asked["fields"])
    found: dict[tuple[str, str], Problem] = {}
    for context in asked["contexts"]:
        result = compiled.render(context)
        if isinstance(result, Unrenderable):
            severity: Literal["error", "warning"] = "error" if result.reason == "unrenderable" else "warning"
            key = (result.field, result.detail)
            found.setdefault(key, Problem(result.field, f"For one of the people seen last: {result.detail}", severity))
    return msgspec.json.encode(list(found.values()))


if __name__ == "__main__":
    _limit()
    sys.stdout.buffer.write(_answer(sys.stdin.buffer.read()))
