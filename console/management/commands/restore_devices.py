from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from delivery.models import Credential
from delivery.restore import restore, set_aside


class Command(BaseCommand):
    help = "Brings back devices that a push service wrongly called dead, and the messages that were lost by it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", required=True, help="When it began, such as 2026-11-25T10:02 (UTC).")
        parser.add_argument("--reason", default="gone", help="Why they were set aside; an empty one means any reason.")
        parser.add_argument("--credential", default="", help="Only what this push credential serves: its name.")
        parser.add_argument("--origin", default="", help="Only this push service, such as https://fcm.googleapis.com.")
        parser.add_argument("--dry-run", action="store_true", help="Only say how many they are.")

    def handle(self, *, since: str, reason: str, credential: str, origin: str, dry_run: bool, **options: Any) -> None:
        try:
            start = dt.datetime.fromisoformat(since)
        except ValueError:
            raise CommandError("Write the moment as 2026-11-25T10:02, in UTC or with its offset.") from None
        start = start if start.tzinfo else start.replace(tzinfo=dt.UTC)
        chosen = Credential.objects.filter(name=credential).first() if credential else None
        if credential and chosen is None:
            raise CommandError(f"There is no push credential named {credential!r}.")
        found = set_aside(since=start, reason=reason, credential=chosen, origin=origin)
        for one in found:
            where = one.origin or one.kind[0]
            self.stdout.write(f"{one.count:,} at {where}: {one.reason}, the first at {one.since:%Y-%m-%d %H:%M} UTC")
        if dry_run or not found:
            self.stdout.write(f"{_many(sum(one.count for one in found), 'device')} can be brought back.")
            return
        done = restore(found, since=start, now=timezone.now())
        verb = "is" if done.devices == 1 else "are"
        self.stdout.write(f"{_many(done.devices, 'device')} {verb} back, {_many(done.messages, 'message')} to be sent.")


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
