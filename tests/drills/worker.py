"""A real worker process with the tests' content source: `python -m tests.drills.worker [QUEUE]`.

HEED_DRILL_ALARMS: at a random moment within so many seconds its job's time is up, whatever it is doing.
HEED_DRILL_STOPS: it is asked to stop (SIGTERM) when it has taken a job and not begun it.
"""

import os
import random
import signal
import sys
import threading
import time

import django

django.setup()

import tests.delivery.sending  # noqa: E402  (these register their content sources)
import tests.drills.contents  # noqa: E402, F401
from console.management.commands.work import Command, DeliveryWorker  # noqa: E402
from delivery.lanes import Lane  # noqa: E402


def ring(seconds: float) -> None:
    while True:
        time.sleep(random.uniform(0, seconds))
        if callable(signal.getsignal(signal.SIGALRM)):  # only within a job
            os.kill(os.getpid(), signal.SIGALRM)


def stop_at_a_job() -> None:
    execute = DeliveryWorker.execute_job

    def stopped(self: DeliveryWorker, *args: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        execute(self, *args)

    DeliveryWorker.execute_job = stopped


if __name__ == "__main__":
    if "HEED_DRILL_ALARMS" in os.environ:
        threading.Thread(target=ring, args=(float(os.environ["HEED_DRILL_ALARMS"]),), daemon=True).start()
    if "HEED_DRILL_STOPS" in os.environ:
        stop_at_a_job()
    Command().handle(queue=sys.argv[1] if len(sys.argv) > 1 else Lane.ORDINARY)
