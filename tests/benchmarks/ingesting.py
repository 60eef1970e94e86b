"""B5: events over HTTP in batches of 100, against COPY of the same rows into the same table."""

from __future__ import annotations

import base64
import datetime as dt
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.world import ROOT, cpu_of, database_cpu

EVENTS, BATCH, PEOPLE, PAIRS = 40_000, 100, 5_000, 5


def run(data: Path, wanted: set[str]) -> list[dict[str, Any]]:
    with site() as (port, key):
        send(port, key, 0, 4_000)  # warm: people known, statements prepared
        pairs = [(measure(data, port, key, number, EVENTS), copied(data, number)) for number in range(1, PAIRS + 1)]
    ratio = median(bare / (web + database) for (web, database), bare in pairs)
    web, database = (median(one[0][i] for one in pairs) for i in (0, 1))
    bare = median(one[1] for one in pairs)
    return [
        {
            "id": "B5",
            "ratio": ratio,
            "goal": 0.25,
            "met": ratio >= 0.25,
            "says": f"{web * 1e6:.0f} µs of web CPU and {database * 1e6:.0f} of PostgreSQL's an event; "
            f"COPY takes {bare * 1e6:.1f}; of the web's CPU alone {bare / web:.2f}",
        }
    ]


def costs(data: Path, steps: dict[int, int]) -> dict[int, float]:
    """CPU seconds of web and PostgreSQL an event, by step, for so many events each."""
    with site() as (port, key):
        send(port, key, 0, 4_000)
        return {step: sum(measure(data, port, key, step, events)) for step, events in steps.items()}


@contextmanager
def site() -> Iterator[tuple[int, str]]:
    """One web process, and a server source: its port and the source's key."""
    import django

    django.setup()
    from audiences.sources import create_source

    _, key = create_source("B5", "server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    web = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", "python:console.gunicorn", "console.wsgi"],
        cwd=ROOT,
        env=os.environ | {"PORT": str(port), "HEED_WEB_WORKERS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _until_up(port)
        yield port, key
    finally:
        web.terminate()
        web.wait()


def measure(data: Path, port: int, key: str, number: int, events: int) -> tuple[float, float]:
    """CPU seconds an event: (web, PostgreSQL)."""
    before = cpu_of("gunicorn", "console.gunicorn"), database_cpu(data)
    send(port, key, number, events)
    time.sleep(0.2)
    after = cpu_of("gunicorn", "console.gunicorn"), database_cpu(data)
    return (after[0] - before[0]) / events, (after[1] - before[1]) / events


def send(port: int, key: str, number: int, events: int) -> None:
    authorization = {
        "Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode(),
        "Content-Type": "application/json",
    }
    batches = [
        json.dumps({"batch": [event(number, n) for n in range(start, start + BATCH)]}).encode()
        for start in range(0, events, BATCH)
    ]

    def lane(own: list[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for body in own:
            connection.request("POST", "/v1/batch", body, authorization)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()

    threads = [threading.Thread(target=lane, args=(batches[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def event(number: int, n: int) -> dict[str, Any]:
    return {
        "type": "track",
        "messageId": f"b5-{number}-{n}",
        "userId": f"u-{n % PEOPLE}",
        "event": "Product Viewed",
        "properties": {"product_id": f"L{n % 100}", "name": "Camp lantern", "category": "Light", "price": 35.0},
        "timestamp": dt.datetime.now(dt.UTC).isoformat(),
        "context": {"library": {"name": "bench", "version": "1"}},
    }


def copied(data: Path, number: int) -> float:
    """CPU seconds an event of COPY: the client's and PostgreSQL's."""
    import resource

    from django.db import connection

    now = dt.datetime.now(dt.UTC)
    rows = [
        (
            1 + n % PEOPLE,
            "Product Viewed",
            now,
            now,
            json.dumps(event(number, n)["properties"]),
            "{}",
            "track",
            f"c-{number}-{n}",
        )
        for n in range(EVENTS)
    ]
    used = resource.getrusage(resource.RUSAGE_SELF)
    before = database_cpu(data), used.ru_utime + used.ru_stime
    columns = "profile_id, name, occurred_at, received_at, properties, context, kind, message_id"
    for start in range(0, EVENTS, BATCH * 10):
        with connection.cursor() as cursor, cursor.copy(f"COPY audiences_event ({columns}) FROM STDIN") as copy:
            for row in rows[start : start + BATCH * 10]:
                copy.write_row(row)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (database_cpu(data) - before[0] + used.ru_utime + used.ru_stime - before[1]) / EVENTS


def _until_up(port: int) -> None:
    for _ in range(200):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the web server did not start")
