from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from console.demo import facts_file, load


class Command(BaseCommand):
    help = "Loads the demo: a shop with 20,000 simulated people. Does nothing where there is one already."

    def handle(self, **options: Any) -> None:
        if facts_file.read():
            load.refresh()
            return
        load.load(now=timezone.now(), tell=self.stdout.write)
        self.stdout.write("the demo is loaded")
