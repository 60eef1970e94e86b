"""B3: a personalised push to an app end to end, against the libraries that only send, to the same sink."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.push_worker import WARM
from tests.benchmarks.pushes import all_arrived, drained, prepare
from tests.benchmarks.world import ROOT, Sink, peers_python

PEER_MESSAGES = 2_000


def run(data: Path, wanted: set[str], *, messages: int = 10_000) -> list[dict[str, Any]]:
    sink = Sink(data, "apps")
    environment = os.environ | {
        "HEED_FCM_ORIGIN": sink.origin,
        "HEED_FCM_TOKEN_ORIGIN": sink.origin,
        "HEED_APNS_ORIGIN": sink.origin,
        "REQUESTS_CA_BUNDLE": str(data / "ca.pem"),
    }
    try:
        return [
            _held_against(data, sink, environment, "fcm", "peer_firebase.py", 5, messages),
            _held_against(data, sink, environment, "apns", "peer_aioapns.py", 2, messages),
        ]
    finally:
        sink.stop()


def _held_against(
    data: Path, sink: Sink, environment: dict[str, str], gateway: str, peer: str, factor: int, messages: int
) -> dict[str, Any]:
    ours = _ours(data, sink, environment, gateway, messages)
    from tests import make

    asked = {"origin": sink.origin, "count": PEER_MESSAGES, "p8": make.p8(), "ca": str(data / "ca.pem")}
    found = subprocess.run(
        [peers_python(), str(ROOT / "tests" / "benchmarks" / peer)],
        env=environment | {"BENCH": json.dumps(asked)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    theirs = json.loads(found.stdout.splitlines()[-1])
    ratio = ours["cpu"] / theirs["cpu"]
    return {
        "id": f"B3 {gateway}",
        "ratio": ratio,
        "goal": 1 / factor,
        "met": ratio <= 1 / factor,
        "says": f"{peer[5:-3]}'s {theirs['cpu'] * 1e6:.0f} µs a message against our {ours['cpu'] * 1e6:.0f}, end to end "
        f"(with PostgreSQL's share {(ours['cpu'] + ours['database']) * 1e6:.0f}); "
        f"its {theirs['speed']:,.0f} messages a second against our {ours['speed']:,.0f} with one worker",
    }


def _ours(data: Path, sink: Sink, environment: dict[str, str], gateway: str, messages: int) -> dict[str, float]:
    from django.db import connections

    def device(n: int) -> dict[str, Any]:
        token = f"fcm{n:08d}:APA91b-{n}_x" if gateway == "fcm" else f"{n:064x}"
        return {"gateway": gateway, "address": token, "app": "" if gateway == "fcm" else "com.example.shop"}

    prepare(data, sink, messages + WARM, name=f"Bench {gateway}", device=device)
    from delivery.models import Push, Wave
    from tests import make

    (make.fcm_credential if gateway == "fcm" else make.apns_credential)()
    # FCM's rhythm would spread the run over a minute: it began, exactly on time, five minutes ago.
    Wave.objects.update(exact_time=True, running_at=dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5))
    before = Push.objects.filter(state="sent", status="200").count()
    connections.close_all()
    rounds = drained(environment, messages)
    all_arrived(before + sum(one["count"] for one in rounds), status="200")
    return {
        "cpu": median(one["cpu"] / one["count"] for one in rounds),
        "database": median(one["database"] / one["count"] for one in rounds),
        "speed": median(one["count"] / one["wall"] for one in rounds),
    }
