"""A real worker process with the tests' content source: `python -m tests.drills.worker [QUEUE]`."""

import sys

import django

django.setup()

import tests.delivery.sending  # noqa: E402  (these register their content sources)
import tests.drills.contents  # noqa: E402, F401
from console.management.commands.work import Command  # noqa: E402
from delivery.lanes import Lane  # noqa: E402

if __name__ == "__main__":
    Command().handle(queue=sys.argv[1] if len(sys.argv) > 1 else Lane.ORDINARY)
