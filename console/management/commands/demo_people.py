from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from console.demo import facts_file, visitors
from console.parent import die_with_parent


class Command(BaseCommand):
    help = "The demo's people: they go on visiting the shop, over the tracking API."

    def handle(self, **options: Any) -> None:
        die_with_parent()
        facts = facts_file.read()
        if not facts:
            raise CommandError("No demo is loaded. Run: python manage.py load_demo")
        try:
            visitors.run(site=facts["url"], write_key=facts["write_key"], seed=time.time())
        except KeyboardInterrupt:
            pass
