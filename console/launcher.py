"""`manage.py up`: databases, web, workers and clock in the foreground, watched over, stopped in order.

Not honcho: it ends everything when one process ends, and we want the one that died back.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from django.conf import settings

from console.embedded import Embedded
from console.environment import refuse, text
from console.own_servers import check_servers
from delivery.lanes import Lane

COLOURS = (36, 33, 32, 35, 34, 31)
STOP_SECONDS = 15
MOST_BACKOFF = 10.0


@dataclass(slots=True)
class Child:
    """One process that is kept running."""

    name: str
    command: Sequence[str]
    colour: int
    process: subprocess.Popen[str] | None = None
    started: float = 0.0
    backoff: float = 0.5
    next_start: float = 0.0


@dataclass(slots=True)
class Launcher:
    """Everything of one data folder."""

    demo: bool = False
    children: list[Child] = field(default_factory=list)
    stopping: bool = False
    step: subprocess.Popen[str] | None = None
    width: int = 10

    def run(self) -> None:
        data = Path(settings.HEED_DATA)
        data.mkdir(parents=True, exist_ok=True)
        lock = self._lock(data / "lock")
        self._check_port()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        embedded = Embedded(data, postgres=not text("DATABASE_URL", ""), redis=not text("REDIS_URL", ""))
        self.say("heed", f"data in {data}")
        try:
            embedded.start()
            check_servers(tell=lambda line: self.say("heed", line))
            self._prepare()
            self._watch(embedded)
        finally:
            self._end_children()
            self.say("heed", "stopping the databases")
            embedded.stop()
            lock.close()
            self.say("heed", "stopped")

    def say(self, name: str, line: str, colour: int = 90) -> None:
        """One prefixed line, whole, on standard output."""
        start, end = (f"\033[{colour}m", "\033[0m") if sys.stdout.isatty() else ("", "")
        sys.stdout.write(f"{start}{name:<{self.width}} |{end} {line}\n")
        sys.stdout.flush()

    def _lock(self, path: Path) -> IO[str]:
        file = path.open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            refuse("HEED_DATA", f"{path.parent} is in use by another `manage.py up`: stop that one, or set another.")
        return file

    def _check_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            for _ in range(50):
                try:
                    probe.bind((settings.HEED_BIND, settings.PORT))
                    return
                except PermissionError:
                    refuse("PORT", f"{settings.PORT} may not be used here: set one above 1023, such as PORT=8000.")
                except OSError as problem:
                    if problem.errno != errno.EADDRINUSE:
                        refuse("HEED_BIND", f"is {settings.HEED_BIND!r}: set an address of this machine, or 0.0.0.0.")
                    time.sleep(0.1)  # a web server that was just killed lets go of it in a moment
        refuse("PORT", f"{settings.PORT} is taken: set another, such as PORT={settings.PORT + 100}.")

    def _prepare(self) -> None:
        self._step("migrate", "migrate", "--no-input", "-v", "0")
        self._step("static", "collectstatic", "--no-input", "-v", "0")
        if self.demo:
            self._step("demo", "load_demo")

    def _step(self, name: str, *arguments: str) -> None:
        """One command that must succeed before anything starts."""
        if self.stopping:
            sys.exit(0)
        process = self.step = subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=settings.BASE_DIR,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C reaches us alone
        )
        assert process.stdout is not None
        for line in process.stdout:
            self.say(name, line.rstrip())
        failed = process.wait()
        if self.stopping:
            sys.exit(0)
        if failed:
            sys.exit(f"heed: `manage.py {' '.join(arguments)}` failed; see above.")

    def _environment(self) -> dict[str, str]:
        environment = os.environ | {
            "HEED_DATA": str(settings.HEED_DATA),
            "PORT": str(settings.PORT),
            "HEED_PARENT": str(os.getpid()),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "console.settings",
        }
        if origin := self._demo_facts().get("gateway"):
            named = [*settings.HEED_PUSH_ORIGINS, origin]
            environment["HEED_PUSH_ORIGINS"] = ",".join(dict.fromkeys(named))
        return environment

    def _demo_facts(self) -> dict[str, str]:
        from console.demo import facts_file

        return facts_file.read()

    def _commands(self) -> list[tuple[str, list[str]]]:
        manage = [sys.executable, "manage.py"]
        found = [("web", [sys.executable, "-m", "gunicorn", "-c", "python:console.gunicorn", "console.wsgi"])]
        found += [("clock", [*manage, "clock"])]
        found += [(f"worker.{n}", [*manage, "work"]) for n in range(1, settings.HEED_WORKERS + 1)]
        found += [(f"now.{n}", [*manage, "work", Lane.NOW]) for n in range(1, settings.HEED_TRANSACTIONAL_WORKERS + 1)]
        found += [("background", [*manage, "work", "background"])]
        if self._demo_facts():
            found += [("devices", [*manage, "demo_gateway"]), ("people", [*manage, "demo_people"])]
        return found

    def _watch(self, embedded: Embedded) -> None:
        """Keep everything running until told to stop. Children are started by this thread alone: they die with it."""
        self.children = [
            Child(name, command, COLOURS[i % len(COLOURS)]) for i, (name, command) in enumerate(self._commands())
        ]
        told = False
        while not self.stopping:
            now = time.monotonic()
            for child in self.children:
                if child.process is not None and child.process.poll() is not None:
                    self.say(child.name, f"ended with {child.process.returncode}; starting again", child.colour)
                    lived = now - child.started
                    child.backoff = 0.5 if lived > 30 else min(child.backoff * 2, MOST_BACKOFF)
                    child.process, child.next_start = None, now + child.backoff
                if child.process is None and now >= child.next_start:
                    self._start(child)
            if embedded.wants_redis and not embedded.redis_lives():
                self.say("redis", "ended; starting again")
                embedded.restart_redis()
            if not told and self._is_ready():
                told = True
                self._welcome()
            time.sleep(0.25)

    def _start(self, child: Child) -> None:
        child.started = time.monotonic()
        child.process = subprocess.Popen(
            child.command,
            cwd=settings.BASE_DIR,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches us alone: we stop them in order
        )
        threading.Thread(target=self._relay, args=(child, child.process), daemon=True).start()

    def _relay(self, child: Child, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.say(child.name, line.rstrip(), child.colour)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{settings.PORT}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _welcome(self) -> None:
        facts = self._demo_facts()
        self.say("heed", "")
        self.say("heed", f"Heed is ready: open {settings.HEED_BASE_URL}/console/")
        if facts:
            self.say("heed", f"  sign in as {facts['username']} with the password {facts['password']}")
            self.say("heed", f"  the demo's shop: {facts['shop']}")
        else:
            self.say("heed", "  the first time: python manage.py createsuperuser")
        self.say("heed", "  stop with Ctrl-C")
        self.say("heed", "")

    def _stop(self, *_: object) -> None:
        self.stopping = True
        if self.step is not None and self.step.poll() is None:
            self.step.terminate()

    def _end_children(self) -> None:
        """SIGTERM to all at once; who is still there after a while is killed."""
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            if process.poll() is None:
                process.terminate()
        end = time.monotonic() + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(end - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
