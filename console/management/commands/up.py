from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from console.launcher import Launcher


class Command(BaseCommand):
    help = "Starts everything in the foreground: databases, web, workers and clock. Ctrl-C stops it."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="Load the demo first, where there is none yet.")

    def handle(self, *, demo: bool, **options: Any) -> None:
        Launcher(demo=demo).run()
