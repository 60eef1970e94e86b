"""What the demo's people did: visits with the seasons of day and week, products viewed, carts, orders."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from console.demo.assortment import BY_CATEGORY, CATEGORIES, PRODUCTS, Product
from console.demo.people import SEED, Person

DAYS = 60
# Share of visits by local hour, and by weekday from Monday: evenings and Sundays are strong.
BY_HOUR = np.array(
    [3, 2, 1, 1, 1, 2, 6, 11, 13, 12, 12, 13, 16, 14, 12, 12, 14, 18, 24, 30, 33, 28, 17, 8], dtype=float
)
BY_WEEKDAY = (0.95, 0.90, 0.92, 0.97, 1.02, 1.10, 1.25)
ADDS_TO_CART = 0.30
ORDERS = 0.34


@dataclass(frozen=True, slots=True)
class Deed:
    """One event of the past: `person` is the index in people.everyone()."""

    person: int
    name: str
    at: dt.datetime
    properties: dict[str, Any]


def history(people: Sequence[Person], *, until: dt.datetime, days: int = DAYS) -> Iterator[Deed]:
    """Every event of the last `days` days before `until`, person by person. About 25 a person."""
    draw = np.random.default_rng(SEED + 1)
    random = Random(SEED + 2)
    first = (until - dt.timedelta(days=days)).date()
    dates = [first + dt.timedelta(days=n) for n in range(days + 1)]
    weights = np.array([BY_WEEKDAY[date.weekday()] for date in dates])
    weights /= weights.sum()
    hours = BY_HOUR / BY_HOUR.sum()
    visits = draw.poisson([person.visits_a_day * days for person in people])
    total = int(visits.sum())
    on = draw.choice(len(dates), total, p=weights)
    at_hour = draw.choice(24, total, p=hours)
    second = draw.integers(3600, size=total)
    zones = {person.zone: ZoneInfo(person.zone) for person in people}
    i = 0
    for person, count in zip(people, visits, strict=True):
        for _ in range(count):
            local = dt.datetime.combine(dates[on[i]], dt.time(int(at_hour[i])), tzinfo=zones[person.zone])
            at = local.astimezone(dt.UTC) + dt.timedelta(seconds=int(second[i]))
            i += 1
            yield from (deed for deed in visit(person, at, random=random) if deed.at < until)


def visit(person: Person, at: dt.datetime, *, random: Random) -> Iterator[Deed]:
    """One visit: some products viewed, perhaps one put into the cart, perhaps an order within the hour."""
    seen: Product | None = None
    for _ in range(1 + int(random.expovariate(0.9))):
        category = person.favourite if random.random() < 0.6 else random.choice(CATEGORIES)
        seen = random.choice(BY_CATEGORY[category]) if random.random() < 0.8 else random.choice(PRODUCTS)
        yield Deed(person.index, "Product Viewed", at, dict(seen.properties))
        at += dt.timedelta(seconds=random.randint(10, 240))
    if seen is None or random.random() > ADDS_TO_CART:
        return
    yield Deed(person.index, "Product Added", at, {**seen.properties, "quantity": 1})
    if random.random() < ORDERS:
        yield order(person.index, seen, at + dt.timedelta(seconds=random.randint(60, 3000)), random=random)


def order(person: int, product: Product, at: dt.datetime, *, random: Random) -> Deed:
    quantity = 1 + int(random.random() < 0.15)
    return Deed(
        person,
        "Order Completed",
        at,
        {
            "order_id": f"{random.getrandbits(40):010x}",
            "total": round(product.price * quantity, 2),
            "currency": "EUR",
            "products": [{**product.properties, "quantity": quantity}],
        },
    )
