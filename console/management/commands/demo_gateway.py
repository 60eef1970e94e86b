from __future__ import annotations

import asyncio
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from console.demo import facts_file
from console.demo.gateway import PushService
from console.parent import die_with_parent


class Command(BaseCommand):
    help = "The demo's local push service: plays the simulated devices."

    def handle(self, **options: Any) -> None:
        die_with_parent()
        facts = facts_file.read()
        if not facts:
            raise CommandError("No demo is loaded. Run: python manage.py load_demo")
        self.stdout.write(f"push service for the simulated devices on {facts['gateway']}")
        service = PushService(site=facts["url"], write_key=facts["write_key"])
        try:
            asyncio.run(service.serve(int(facts["gateway"].rpartition(":")[2])))
        except KeyboardInterrupt:
            pass
