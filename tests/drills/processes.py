"""Real processes for the drills: workers, their supervisor, the clock, and a Redis that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]


class Processes:
    """Starts processes of ours in their own groups, and kills what is left at the end."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.running: list[subprocess.Popen[bytes]] = []
        self.supervisors: list[Supervised] = []

    def start(self, *arguments: str, before: Sequence[str] = (), **settings: str) -> subprocess.Popen[bytes]:
        """Python with these arguments; `before` is a command that runs it, elsewhere or otherwise."""
        process = subprocess.Popen(
            [*before, sys.executable, *arguments],
            env=self.environment | settings,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if not os.environ.get("HEED_DRILL_NOISE") else None,
            start_new_session=True,
        )
        self.running.append(process)
        return process

    def worker(self, **settings: str) -> subprocess.Popen[bytes]:
        return self.start("-m", "tests.drills.worker", **settings)

    def supervised(self, **settings: str) -> Supervised:
        """A worker that is started again whenever it ends."""
        made = Supervised(self, settings)
        self.supervisors.append(made)
        return made

    def clock(self, **settings: str) -> subprocess.Popen[bytes]:
        return self.start("manage.py", "clock", **settings)

    def tell(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        """Send a signal to the whole group; one that is gone already is none the wiser."""
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass

    def freeze(self, process: subprocess.Popen[bytes]) -> None:
        """SIGSTOP, and wait until it really stands still."""
        self.tell(process, signal.SIGSTOP)
        wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, every=0.01)

    def thaw(self, process: subprocess.Popen[bytes]) -> None:
        self.tell(process, signal.SIGCONT)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL to the whole group: nothing gets to say goodbye."""
        self.tell(process, signal.SIGKILL)
        process.wait()
        if process in self.running:
            self.running.remove(process)

    def stop(self) -> None:
        for supervised in self.supervisors:
            supervised.stop()
        for process in list(self.running):
            self.kill(process)


class Supervised:
    """`process` is the one that lives now; `restarts` says how often another one had to be started."""

    def __init__(self, processes: Processes, settings: dict[str, str]) -> None:
        self.processes = processes
        self.settings = settings
        self.restarts = 0
        self.stopping = threading.Event()
        self.process = processes.worker(**settings)
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        while not self.stopping.wait(0.1):
            if self.process.poll() is not None:
                self.processes.running.remove(self.process)
                self.restarts += 1
                self.process = self.processes.worker(**self.settings)

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join()


def wait_for(condition: Callable[[], Any], *, seconds: float = 40, every: float = 0.1) -> Any:
    """The first true answer, or AssertionError after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(every)
    raise AssertionError(f"it did not come true within {seconds} s")


def peak(process: subprocess.Popen[bytes]) -> int:
    """The most memory that a process ever held, in bytes."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) * 1024
