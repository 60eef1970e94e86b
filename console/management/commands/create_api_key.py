from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from console.api.keys import create_key
from console.models import ApiKey


class Command(BaseCommand):
    help = "Makes a key for the REST API and prints it: this is the only time that it is shown."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="Which service will use it.")
        parser.add_argument(
            "--scope",
            action="append",
            choices=ApiKey.Scope.values,
            help="What it may do; can be given several times. Default: read.",
        )

    def handle(self, *, name: str, scope: list[str] | None, **options: Any) -> None:
        _, text = create_key(name, scope or [ApiKey.Scope.READ])
        self.stdout.write(text)
