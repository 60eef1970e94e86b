"""A shop's order history → profiles, `Order Completed` events with their original times, and a catalog.

Reads order lines as CSV: InvoiceNo, StockCode, Quantity, InvoiceDate, UnitPrice, CustomerID, Country. An invoice that
begins with C is a cancellation and becomes `Order Refunded`. An order that is known already is left alone.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from django.db import connection

from audiences import ingest
from campaigns.models import CatalogItem

COLUMNS = ("InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
COMPLETED, REFUNDED = "Order Completed", "Order Refunded"
BATCH = 2_000
MOST_LINES = 450
CATALOG = "products"


class BadFile(ValueError):
    """The file is not what is expected; the message names the line and says what to change."""


@dataclass(slots=True)
class Order:
    customer: str
    number: str
    at: dt.datetime
    first_name: str | None
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_refund(self) -> bool:
        return self.number.startswith("C")

    def call(self, currency: str) -> dict[str, Any]:
        total = sum((Decimal(str(line["price"])) * line["quantity"] for line in self.lines), Decimal())
        return {
            "type": "track",
            "messageId": f"order-{self.number}",
            "userId": self.customer,
            "event": REFUNDED if self.is_refund else COMPLETED,
            "timestamp": self.at.isoformat(),
            "properties": {
                "order_id": self.number,
                "total": float(abs(total)),
                "currency": currency,
                "product_id": self.lines[0]["product_id"],
                "product_name": self.first_name,
                "lines": len(self.lines),
                # An event has 32 KB at most: of the few orders beyond, the dearest lines are kept.
                "products": sorted(self.lines, key=lambda line: -line["price"] * line["quantity"])[:MOST_LINES],
            },
        }


@dataclass(slots=True)
class Imported:
    """What came of it."""

    lines: int = 0
    without_customer: int = 0
    customers: int = 0
    orders: int = 0
    refunds: int = 0
    known: int = 0
    items: int = 0


def read_names(path: Path) -> dict[str, str]:
    """StockCode → description, from a CSV with these two columns."""
    with _opened(path) as file:
        rows = csv.reader(file)
        if [name.strip() for name in next(rows, [])] != ["StockCode", "Description"]:
            raise BadFile(f"{path.name}, line 1: the columns must be StockCode, Description.")
        return {row[0]: row[1].strip() for row in rows if len(row) == 2 and row[1].strip()}


def import_orders(
    path: Path,
    *,
    names: Mapping[str, str],
    zone: ZoneInfo,
    currency: str,
    now: dt.datetime,
    tell: Callable[[str], object],
) -> Imported:
    """Read the whole file, then store it in batches. A file that cannot be read raises BadFile, nothing being stored.

    A call that the intake refuses raises it too, named, after what stood before it was stored. Storing is idempotent:
    after an interruption, run it again. Times without a zone are of `zone`.
    """
    result = Imported()
    orders, prices, countries = _read(path, names, zone, result)
    tell(f"{result.lines:,} lines read: {len(orders):,} orders of {len(countries):,} customers")
    result.customers = len(countries)
    identify = ({"type": "identify", "userId": c, "traits": {"country": land}} for c, land in countries.items())
    _store(identify, now=now)
    known = _known(orders)
    fresh = [order for order in orders if f"order-{order.number}" not in known]
    result.known = len(orders) - len(fresh)
    result.refunds = sum(order.is_refund for order in fresh)
    result.orders = len(fresh) - result.refunds
    _store((order.call(currency) for order in sorted(fresh, key=lambda one: one.at)), now=now)
    result.items = _catalog(prices, names, now=now)
    return result


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _read(
    path: Path, names: Mapping[str, str], zone: ZoneInfo, result: Imported
) -> tuple[list[Order], dict[str, float], dict[str, str]]:
    orders: dict[str, Order] = {}
    prices: dict[str, float] = {}
    countries: dict[str, str] = {}
    moments: dict[str, dt.datetime] = {}
    with _opened(path) as file:
        rows = csv.reader(file)
        header = [name.strip() for name in next(rows, [])]
        if missing := [name for name in COLUMNS if name not in header]:
            raise BadFile(f"{path.name}, line 1: the column {missing[0]} is missing. Columns: {', '.join(COLUMNS)}.")
        places = [header.index(name) for name in COLUMNS]
        try:
            for row in rows:
                result.lines += 1
                if len(row) != len(header):
                    raise BadFile(f"{path.name}, line {rows.line_num}: {len(row)} columns instead of {len(header)}.")
                number, code, quantity, said, price, customer, country = (row[place].strip() for place in places)
                if not customer:
                    result.without_customer += 1
                    continue
                moment = moments.get(said)
                if moment is None:
                    moment = moments[said] = _moment(said, zone)
                line: dict[str, Any] = {
                    "product_id": code,
                    "quantity": abs(_quantity(quantity)),
                    "price": _price(price),
                }
                order = orders.get(number)
                if order is None:
                    order = orders[number] = Order(customer, number, moment, names.get(code))
                order.lines.append(line)
                countries[customer] = country
                if line["price"] > 0 and not order.is_refund:
                    prices[code] = line["price"]
        except BadFile:
            raise
        except ValueError as bad:
            raise BadFile(f"{path.name}, line {rows.line_num}: {bad}") from None
        except (csv.Error, EOFError, gzip.BadGzipFile) as bad:
            raise BadFile(f"{path.name}, line {rows.line_num}: this is not readable as CSV ({bad}).") from None
    return list(orders.values()), prices, countries


def _moment(said: str, zone: ZoneInfo) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(said)
    except ValueError:
        raise ValueError(f"{said!r} is no date; write it like 2010-12-01 08:26:00.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _price(said: str) -> float:
    try:
        price = float(said)
    except ValueError:
        price = math.nan
    if not math.isfinite(price):
        raise ValueError(f"{said!r} is no price; write it like 2.55.")
    return price


def _quantity(said: str) -> int:
    try:
        return int(said)
    except ValueError:
        raise ValueError(f"a quantity is no whole number ({said!r}).") from None


def _store(calls: Iterable[Mapping[str, Any]], *, now: dt.datetime) -> None:
    left = iter(calls)
    while batch := list(islice(left, BATCH)):
        rejected = ingest.accept(batch, source=None, now=now).rejected
        if rejected:
            index, path, reason = rejected[0]
            raise BadFile(f"{batch[index].get('messageId') or batch[index].get('userId')}: {path} {reason}")


def _known(orders: list[Order]) -> set[str]:
    """Message ids of orders that were stored before: deduplication by id lasts a week only, history for ever."""
    if not orders:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT message_id FROM audiences_event
            WHERE name = ANY(%s) AND occurred_at BETWEEN %s AND %s AND starts_with(message_id, 'order-')
            """,
            [[COMPLETED, REFUNDED], min(order.at for order in orders), max(order.at for order in orders)],
        )
        return {row[0] for row in cursor.fetchall()}


def _catalog(prices: Mapping[str, float], names: Mapping[str, str], *, now: dt.datetime) -> int:
    items = [
        CatalogItem(catalog=CATALOG, key=code, name=names.get(code, code), fields={"price": price}, updated_at=now)
        for code, price in prices.items()
    ]
    CatalogItem.objects.bulk_create(
        items,
        batch_size=1_000,
        update_conflicts=True,
        unique_fields=["catalog", "key"],
        update_fields=["name", "fields", "updated_at"],
    )
    return len(items)
