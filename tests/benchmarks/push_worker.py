"""Drains what is due in a process of its own, in rounds, each beside the bare cryptography of as many messages.

Prints a line of JSON a round: {"cpu", "wall", "count", "floor", "database", "memory"}, in seconds and MB; `floor` is for
one message. With "wait" it says ready once it is warm, and begins at a line on its standard input.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

import django

django.setup()

from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402
from cryptography.hazmat.primitives.hashes import SHA256  # noqa: E402
from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: E402

from audiences.upkeep import analyze_new_partitions  # noqa: E402
from delivery.dispatch import drain_batch  # noqa: E402
from delivery.outbox import CLAIM  # noqa: E402
from delivery.sender import build_sender  # noqa: E402
from tests.benchmarks.world import WARM, database_cpu  # noqa: E402


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak() -> float:
    """The most memory that this program had, in MB. (ru_maxrss keeps what the process had before it became this one.)"""
    said = Path("/proc/self/status").read_text()
    return int(said.partition("VmHWM:")[2].split()[0]) / 1024


def floor(count: int) -> float:
    """CPU seconds of one message's bare cryptography: a P-256 key pair, ECDH, HKDF, AES-128-GCM over 300 bytes."""
    curve = ec.SECP256R1()
    receiver = ec.generate_private_key(curve).public_key()
    payload = b"x" * 300
    began = cpu()
    for _ in range(count):
        sender = ec.generate_private_key(curve)
        shared = sender.exchange(ec.ECDH(), receiver)
        ikm = HKDF(SHA256(), 32, b"salt", b"info").derive(shared)
        key = HKDF(SHA256(), 16, b"salt", b"key").derive(ikm)
        nonce = HKDF(SHA256(), 12, b"salt", b"nonce").derive(ikm)
        AESGCM(key).encrypt(nonce, payload, None)
    return (cpu() - began) / count


def main(data: Path, rounds: int, each: int, *, waits: bool) -> None:
    sender = build_sender(roots=((data / "ca.pem").read_bytes(),))
    drain_batch(sender, limit=WARM)  # warm: connections, compiled template, planned statements
    analyze_new_partitions()  # as the clock does
    if waits:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
    for _ in range(rounds):
        bare = 0.0 if waits else floor(1500)
        used, stood, database = cpu(), time.monotonic(), database_cpu(data)
        count = 0
        while count < each:
            done = drain_batch(sender, limit=min(CLAIM, each - count))
            if not done:
                break
            count += done
        sys.stdout.write(
            json.dumps(
                {
                    "cpu": cpu() - used,
                    "wall": time.monotonic() - stood,
                    "count": count,
                    "floor": (bare + floor(1500)) / 2 if bare else 0.0,
                    "database": database_cpu(data) - database,
                    "memory": peak(),
                }
            )
            + "\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(os.environ["HEED_DATA"]), int(sys.argv[1]), int(sys.argv[2]), waits="wait" in sys.argv)
