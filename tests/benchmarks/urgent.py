"""B6: transactional messages, 50 a second, while a broadcast goes out: from the program's request over HTTP to the push
service's hands, against the round trip of an empty job through the same queue."""

from __future__ import annotations

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
from statistics import median, quantiles
from typing import Any

from tests.benchmarks import pushes
from tests.benchmarks.ingesting import _until_up
from tests.benchmarks.world import ROOT, Sink

ROUNDS, SECONDS, A_SECOND, JOBS = 5, 8, 50, 100
THREADS = 32
KEYS = 10
"""A key may ask for ten sends a second."""
WAIT_SECONDS = 20.0
CROWD = int(os.environ.get("B6_PROFILES", 1_000_000))


def run(data: Path, wanted: set[str]) -> list[dict[str, Any]]:
    crowd, few = Sink(data), Sink(data, "timed")
    os.environ |= {
        "HEED_PUSH_ORIGINS": f"{crowd.origin},{few.origin}",
        "HEED_CA_FILE": str(data / "ca.pem"),
        "HEED_WORKERS": "1",
        "HEED_TRANSACTIONAL_WORKERS": "1",
    }
    try:
        taken = Taken(few)
        pushes.prepare(data, crowd, CROWD, name="Crowd")
        people = reachable(few, (ROUNDS + 1) * SECONDS * A_SECOND)
        with site(data) as (port, keys):
            _until(lambda: sent() > 1_000)
            measured = [one_round(port, keys, people, taken) for _ in range(ROUNDS + 1)][1:]
            if not left():
                raise RuntimeError("the broadcast was over too soon: give B6_PROFILES more")
            reached = sent()
    finally:
        crowd.stop()
        few.stop()
    ratio = median(median(took) / median(jobs) for took, jobs in measured)
    every = sorted(one for took, _ in measured for one in took)
    p50, p99 = median(every), quantiles(every, n=100)[98]
    empty = median(median(jobs) for _, jobs in measured)
    return [
        {
            "id": "B6",
            "ratio": ratio,
            "goal": 3.0,
            "met": ratio <= 3.0 and p99 <= 0.5,
            "says": f"{len(every):,} requests, {A_SECOND} a second, while a broadcast to {CROWD:,} goes out ({reached:,} "
            f"sent meanwhile): p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} (goal 500); an empty job's round trip "
            f"{empty * 1000:.1f} ms",
        }
    ]


class Taken:
    """When the sink took the push to each path."""

    def __init__(self, sink: Sink) -> None:
        self.at: dict[str, float] = {}
        self._lines = sink.process.stdout
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._lines is not None
        for line in self._lines:
            path, _, at = line.rpartition(" ")
            self.at.setdefault(path, float(at))


def reachable(sink: Sink, count: int) -> Iterator[tuple[str, str]]:
    """(external id, path of the device) of people with a browser each, made at once."""
    from audiences.models import Device, Identifier, Profile, Standing
    from tests.gateways.webpush import p256dh

    now = dt.datetime.now(dt.UTC)
    people = Profile.objects.bulk_create(
        Profile(external_id=f"few-{n}", created_at=now, last_seen_at=now) for n in range(count)
    )
    Standing.objects.bulk_create(Standing(profile=one) for one in people)
    Identifier.objects.bulk_create(
        Identifier(profile=one, kind=Identifier.Kind.USER, value=one.external_id) for one in people
    )
    seen = {"created_at": now, "registered_at": now, "last_seen_at": now}
    Device.objects.bulk_create(
        Device(
            profile=one,
            gateway="webpush",
            address=f"{sink.origin}/push/{one.pk}",
            p256dh=p256dh(one.pk),
            auth="AAAAAAAAAAAAAAAAAAAAAA",
            **seen,
        )
        for one in people
    )
    return iter([(str(one.external_id), f"/push/{one.pk}") for one in people])


@contextmanager
def site(data: Path) -> Iterator[tuple[int, list[str]]]:
    """Everything that `manage.py up` runs, with one process of each: the web's port, and keys that may send."""
    from console.api.keys import create_key
    from console.models import ApiKey

    keys = [create_key(f"B6 {n}", [ApiKey.Scope.SEND_TRANSACTIONAL])[1] for n in range(KEYS)]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    manage = [sys.executable, "manage.py"]
    commands = [
        [sys.executable, "-m", "gunicorn", "-c", "python:console.gunicorn", "console.wsgi"],
        [*manage, "clock"],
        [*manage, "work"],
        [*manage, "work", "deliver-now"],
    ]
    running = [subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PORT": str(port)}) for command in commands]
    try:
        _until_up(port)
        yield port, keys
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def one_round(
    port: int, keys: list[str], people: Iterator[tuple[str, str]], taken: Taken
) -> tuple[list[float], list[float]]:
    """Seconds of each request until its push was taken, and of each empty job there and back."""
    asked = [next(people) for _ in range(SECONDS * A_SECOND)]
    begun = time.monotonic() + 0.1

    def ask(lane: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for n in range(lane, len(asked), THREADS):
            time.sleep(max(begun + n / A_SECOND - time.monotonic(), 0))
            body = {
                "to": asked[n][0],
                "class": "transactional",
                "content": {"title": "Your order", "body": "is on its way"},
            }
            head = {"Authorization": f"Bearer {keys[n % KEYS]}", "Content-Type": "application/json"}
            connection.request("POST", "/api/messages", json.dumps(body), head)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 202:
                raise RuntimeError(f"{answer.status}: {said!r}")
        connection.close()

    threads = [threading.Thread(target=ask, args=(lane,)) for lane in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _until(lambda: all(path in taken.at for _, path in asked))
    # From when a request was due, not from when a late caller came to it.
    took = [taken.at[path] - begun - n / A_SECOND for n, (_, path) in enumerate(asked)]
    return took, [empty_job() for _ in range(JOBS)]


def empty_job() -> float:
    import django_rq

    began = time.monotonic()
    job = django_rq.get_queue("deliver-now").enqueue("time.monotonic", result_ttl=60)
    if job.latest_result(timeout=int(WAIT_SECONDS)) is None:
        raise RuntimeError("an empty job never came back")
    return time.monotonic() - began


def sent() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(n), 0) FROM delivery_tally WHERE kind = 'message' AND state = 'sent'")
        return int(cursor.fetchone()[0])


def left() -> bool:
    from delivery.models import Message

    return Message.objects.filter(wave__origin__startswith="campaign:", state="queued").exists()


def _until(true: Any) -> None:
    ends = time.monotonic() + WAIT_SECONDS
    while not true():
        if time.monotonic() > ends:
            raise RuntimeError("what was sent did not arrive")
        time.sleep(0.05)
