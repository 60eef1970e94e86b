from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from console import clock
from console.parent import die_with_parent


class Command(BaseCommand):
    help = "Runs what is due: opens waves, wakes workers, sweeps. Start as many as you like; one ticks."

    def handle(self, **options: Any) -> None:
        die_with_parent()
        stopping = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stopping.set())
        signal.signal(signal.SIGINT, lambda *_: stopping.set())
        clock.run(stopping)
