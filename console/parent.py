"""Processes that die with whoever started them, so that a killed launcher leaves nobody behind."""

from __future__ import annotations

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """SIGTERM for this process as soon as its parent is gone. Linux only; elsewhere it does nothing."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    except (OSError, AttributeError):
        return
    if os.environ.get("HEED_PARENT") and int(os.environ["HEED_PARENT"]) != os.getppid():
        os.kill(os.getpid(), signal.SIGTERM)  # it died before we asked
