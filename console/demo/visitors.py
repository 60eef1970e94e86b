"""While the demo runs, its people go on visiting the shop: their events come in over the tracking API."""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
import time
from base64 import b64encode
from random import Random

from console.demo.behaviour import BY_HOUR, Deed, visit
from console.demo.gateway import call, post
from console.demo.people import everyone

TICK = 2.0


def run(*, site: str, write_key: str, seed: float) -> None:
    """Send visits until the process is ended. A site that is away is tried again, and nothing is lost meanwhile."""
    random = Random(seed)
    people = everyone()
    weights = [person.visits_a_day for person in people]
    a_second = sum(weights) / 86_400
    authorization = "Basic " + b64encode(f"{write_key}:".encode()).decode()
    agenda: list[tuple[dt.datetime, int, Deed]] = []
    order = itertools.count()
    while True:
        time.sleep(TICK)
        now = dt.datetime.now(dt.UTC)
        season = float(BY_HOUR[(now.hour + 1) % 24] / BY_HOUR.mean())
        for _ in range(_drawn(a_second * TICK * season, random)):
            for deed in visit(random.choices(people, weights)[0], now, random=random):
                heapq.heappush(agenda, (deed.at, next(order), deed))
        due: list[Deed] = []
        while agenda and agenda[0][0] <= now:
            due.append(heapq.heappop(agenda)[2])
        if due and not post(f"{site}/v1/batch", {"batch": [call(deed) for deed in due]}, authorization):
            for deed in due:
                heapq.heappush(agenda, (deed.at, next(order), deed))


def _drawn(expected: float, random: Random) -> int:
    """A whole number whose mean is `expected`."""
    whole = int(expected)
    return whole + (random.random() < expected - whole)
