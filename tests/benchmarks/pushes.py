"""B1 and B2: a personalised push end to end, against its bare cryptography and against the libraries that only send."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.world import ROOT, WARM, Sink, busy_cpu

ROUNDS = 5
PEER_MESSAGES = 400


def prepare(
    data: Path, sink: Sink, count: int, *, name: str = "Bench", device: Callable[[int], dict[str, Any]] | None = None
) -> dict[str, Any]:
    """`count` people with a device each, and a launched campaign that is due. Returns one subscription and the keys.

    `device`: the fields of device n, where it is no browser; its credential is the caller's.
    """
    import django

    django.setup()
    from base64 import urlsafe_b64encode

    from audiences.models import Device, Profile, Segment, Standing, Topic
    from audiences.sealing import unseal
    from campaigns import launch, planner
    from campaigns.models import Campaign, MessageTemplate
    from campaigns.publish import publish
    from delivery.credentials import keep, webpush_credential
    from delivery.gateways.webpush import generate_vapid_keys
    from delivery.models import Cap, SendingRules
    from tests.gateways.webpush import AUTH, p256dh

    now = dt.datetime.now(dt.UTC)
    auth = urlsafe_b64encode(AUTH).rstrip(b"=").decode()

    def browser(n: int) -> dict[str, Any]:
        # Each has a key of its own, as in life: reading it is part of the work.
        key = generate_vapid_keys()[1]
        return {"gateway": "webpush", "address": f"{sink.origin}/push/{n}", "p256dh": key, "auth": auth}

    credential = keep(webpush_credential(name, subject="mailto:push@example.com", now=now))
    SendingRules.objects.update_or_create(pk=1, defaults={"quiet_from": None, "quiet_until": None})
    Cap.objects.create(limit=5, hours=24)
    # Only its own people: other runs may have left theirs.
    members = {"attribute": "$external_id", "kind": "string", "op": "starts with", "value": f"{name}-"}
    people = Profile.objects.bulk_create(
        (
            Profile(external_id=f"{name}-{n}", attributes={"first_name": f"Name{n}"}, created_at=now, last_seen_at=now)
            for n in range(count)
        ),
        batch_size=5_000,
    )
    Standing.objects.bulk_create((Standing(profile=one) for one in people), batch_size=5_000)
    Device.objects.bulk_create(
        (
            Device(
                profile=one,
                **(device or browser)(one.pk),
                created_at=now,
                registered_at=now,
                last_seen_at=now,
            )
            for one in people
        ),
        batch_size=5_000,
    )
    template = MessageTemplate.objects.create(
        name=name,
        title="{{ profile.first_name | default: 'Hello' }}, your basket is waiting",
        body="Come back, {{ profile.first_name | default: 'you' }}: what you looked at is still here. " + "x" * 60,
        url="https://shop.example/cart",
    )
    publish(template, by=None, now=now)
    campaign = Campaign.objects.create(
        name=name,
        template=template,
        topic=Topic.objects.create(key=name.lower().replace(" ", "-"), name=name),
        goal_event="Order Completed",
        control_percent=0,
        control_reason="a benchmark sends to everyone",
    )
    campaign.included.add(Segment.objects.create(name=name, rule=members))
    launch.launch(campaign, by=None, now=now)
    wave = planner.open_wave(Campaign.objects.get(pk=campaign.pk), now=now)
    assert wave is not None
    while planner.plan(wave, now=now):
        pass
    private = unseal(credential.secret, purpose="credential").decode()
    return {"p256dh": p256dh(0), "auth": auth, "private": private, "public": credential.public_key}


def run(data: Path, wanted: set[str], *, messages: int = 20_000) -> list[dict[str, Any]]:
    sink = Sink(data)
    try:
        keys = prepare(data, sink, messages + WARM)
        rounds = drained(os.environ | {"HEED_PUSH_ORIGINS": sink.origin}, messages)
        all_arrived(sum(one["count"] for one in rounds))
        ours = median(one["cpu"] / one["count"] for one in rounds)
        database = median(one["database"] / one["count"] for one in rounds)
        speed = median(one["count"] / one["wall"] for one in rounds)
        ratio = median(one["cpu"] / one["count"] / one["floor"] for one in rounds)
        bare = median(one["floor"] for one in rounds)
        results = [
            {
                "id": "B1",
                "ratio": ratio,
                "goal": 2.0,
                "met": ratio <= 2.0,
                "says": f"{ours * 1e6:.0f} µs of worker CPU a message, floor {bare * 1e6:.0f} µs; "
                f"PostgreSQL {database * 1e6:.0f} µs beside it; {speed:,.0f} messages a second with one worker",
            }
        ]
        if "B2" in wanted:
            from django.conf import settings

            fleet, _ = together(data, workers=settings.HEED_WORKERS, messages=messages // 2)
            results += peers(data, sink, keys, ours, database, fleet)
        return results
    finally:
        sink.stop()


def drained(environment: Mapping[str, str], messages: int) -> list[dict[str, float]]:
    """What one worker used in each round: see push_worker.py."""
    lines = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.push_worker", str(ROUNDS), str(messages // ROUNDS)],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.splitlines()
    return [json.loads(line) for line in lines]


def together(data: Path, *, workers: int, messages: int) -> tuple[float, float]:
    """(messages a second, messages a CPU second of everything on this machine) of so many workers on one wave."""
    sink = Sink(data)
    try:
        prepare(data, sink, messages + WARM * workers, name=f"Together {workers}")
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.push_worker", "1", str(messages), "wait"],
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


def all_arrived(count: int, *, status: str = "201") -> None:
    from delivery.models import Push

    sent = Push.objects.filter(state="sent", status=status).count()
    if sent < count:
        raise RuntimeError(f"{sent} of {count} pushes were accepted: this run measures nothing")


def peers(
    data: Path, sink: Sink, keys: dict[str, Any], ours: float, database: float, speed: float
) -> list[dict[str, Any]]:
    """pywebpush's own loop, and npm's web-push with kept connections, 32 in flight: same payloads, same sink."""
    environment = os.environ | {
        "REQUESTS_CA_BUNDLE": str(data / "ca.pem"),
        "NODE_EXTRA_CA_CERTS": str(data / "ca.pem"),
    }
    results = []
    folder = ROOT / "tests" / "benchmarks"
    commands = [
        ("B2 pywebpush", 15, [sys.executable, str(folder / "peer_pywebpush.py")], PEER_MESSAGES),
        ("B2 web-push", 5, ["node", str(folder / "peer_web_push.mjs")], PEER_MESSAGES * 5),
    ]
    for name, factor, command, count in commands:
        asked = json.dumps(keys | {"origin": sink.origin, "count": count})
        found = subprocess.run(
            command, env=environment | {"BENCH": asked}, check=True, stdout=subprocess.PIPE, text=True
        )
        peer = json.loads(found.stdout.splitlines()[-1])
        ratio = ours / peer["cpu"]
        results.append(
            {
                "id": name,
                "ratio": ratio,
                "goal": 1 / factor,
                "met": ratio <= 1 / factor and speed >= factor * peer["speed"],
                "says": f"its {peer['cpu'] * 1e6:.0f} µs a message against our {ours * 1e6:.0f} "
                f"(with PostgreSQL's share {(ours + database) * 1e6:.0f}: {(ours + database) / peer['cpu']:.3f}); "
                f"its {peer['speed']:,.0f} messages a second against {speed:,.0f} of an installation as it comes",
            }
        )
    return results
