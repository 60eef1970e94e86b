"""A PostgreSQL and a Redis of a drill's own, which it may restart, fill or cut off. The test's Django works on them."""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from django.core.management import call_command
from django.db import connection

from audiences.partitions import _known, ensure_months
from console.embedded import Embedded, database_url, redis_url


class Servers(Embedded):
    """Durable, as in production: what was committed outlives a crash."""

    @property
    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": database_url(self.data), "REDIS_URL": redis_url(self.data)}

    def restart_postgres(self, mode: str, *, listen: str = "") -> None:
        """`fast` says goodbye to everybody; `immediate` is a crash, with recovery at the start. `listen`: on that address
        too, from now on."""
        folder = self.data / "postgres"
        listening = ("-o", f"-h {listen} -k {folder}") if listen else ()
        self._pg_ctl("-m", mode, "-l", str(folder / "log"), *listening, "restart")

    def start_postgres_again(self) -> None:
        """Whether it ended by itself or still runs."""
        self._start_postgres()

    @property
    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(redis_url(self.data))


@contextmanager
def started(folder: Path | None = None) -> Iterator[Servers]:
    """In a folder of their own, or in `folder`; gone afterwards."""
    data = folder or Path(tempfile.mkdtemp(prefix="heed-drill-", dir="/tmp"))  # short: the sockets lie in it
    data.chmod(0o755)
    servers = Servers(data)
    servers.start()
    kept = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(NAME="postgres", USER="postgres", PASSWORD="", HOST=str(data / "postgres"), PORT="")
    try:
        call_command("migrate", verbosity=0, interactive=False)
        _known.clear()
        for table in ("audiences_event", "delivery_message", "delivery_push"):
            ensure_months(table, [dt.datetime.now(dt.UTC).date()])
        yield servers
    finally:
        connection.close()
        connection.settings_dict.update(kept)
        _known.clear()
        servers.stop()
        shutil.rmtree(data, ignore_errors=True)
