from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from campaigns.order_import import BadFile, import_orders, read_names


class Command(BaseCommand):
    help = "Imports a shop's order lines (CSV, also .gz) as profiles, events with their own times, and a catalog."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--products", type=Path, help="CSV of StockCode, Description: the catalog's names.")
        parser.add_argument("--zone", default="Europe/London", help="The time zone of times without one.")
        parser.add_argument("--currency", default="GBP")

    def handle(self, *, file: Path, products: Path | None, zone: str, currency: str, **options: Any) -> None:
        began = time.monotonic()
        try:
            done = import_orders(
                file,
                names=read_names(products) if products else {},
                zone=ZoneInfo(zone),
                currency=currency,
                now=timezone.now(),
                tell=self.stdout.write,
            )
        except BadFile as bad:
            raise CommandError(str(bad)) from None
        except (OSError, KeyError, ValueError) as problem:
            raise CommandError(f"{problem}") from None
        self.stdout.write(
            f"{done.orders:,} orders and {done.refunds:,} refunds of {done.customers:,} customers, {done.items:,} products; "
            f"{done.known:,} were known already, {done.without_customer:,} lines had no customer. "
            f"{time.monotonic() - began:.0f} s."
        )
