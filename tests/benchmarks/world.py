"""What all benchmarks share: their own PostgreSQL (durable, as in production), a TLS sink, and how CPU is read."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

WARM = 600
"""Messages that a worker sends before it is measured: connections, compiled template, planned statements."""
ROOT = Path(__file__).resolve().parents[2]


def start() -> tuple[Path, object]:
    """Servers of our own, and Django set up on them. Returns the folder and what stops them."""
    from console.embedded import Embedded, database_url, redis_url

    data = Path(tempfile.mkdtemp(prefix="heed-bench-", dir="/tmp"))
    data.chmod(0o755)
    os.environ |= {"HEED_DATA": str(data), "DJANGO_SETTINGS_MODULE": "console.settings", "HEED_LOG_LEVEL": "ERROR"}
    os.environ.pop("DATABASE_URL", None)
    servers = Embedded(data)
    servers.start()
    os.environ |= {"DATABASE_URL": database_url(data), "REDIS_URL": redis_url(data), "HEED_TRACK_RATE": "0"}
    make_certificate(data)
    subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, check=True)
    return data, servers


def stop(data: Path, servers: object) -> None:
    servers.stop()  # type: ignore[attr-defined]
    shutil.rmtree(data, ignore_errors=True)


def make_certificate(data: Path) -> None:
    """A certificate for localhost and who signed it: sink.pem holds the leaf and its key, ca.pem the signer."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = dt.datetime.now(dt.UTC)
    signer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Bench")])
    signing = ec.generate_private_key(ec.SECP256R1())

    def signed(name: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_ca: bool) -> bytes:
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(signer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=30))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .sign(signing, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)

    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    leaf = signed(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), key, is_ca=False)
    (data / "ca.pem").write_bytes(signed(signer, signing, is_ca=True))
    (data / "sink.pem").write_bytes(leaf + secret)


class Sink:
    """A TLS server that takes everything, in a process of its own: as a push service, as FCM and APNs (`apps`), or
    as a push service that says what it takes when (`timed`)."""

    def __init__(self, data: Path, *kind: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.sink", str(data / "sink.pem"), *kind],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        self.origin = f"https://localhost:{self.process.stdout.readline().strip()}"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def peers_python() -> str:
    """An interpreter with the libraries that we compare with, in an environment of their own: the product has none."""
    folder, wanted = ROOT / "var" / "peers", ROOT / "tests" / "benchmarks" / "peers.txt"
    python, stamp = folder / "bin" / "python", folder / "peers.txt"
    if not stamp.exists() or stamp.read_text() != wanted.read_text():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", str(wanted)], check=True)
        stamp.write_text(wanted.read_text())
    return str(python)


def cpu_of(*words: str) -> float:
    """CPU seconds so far of living processes with all these words in their command line."""
    total = 0.0
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if all(word in line for word in words):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
    return total


def busy_cpu() -> float:
    """CPU seconds that this whole machine was busy so far."""
    times = psutil.cpu_times()
    return float(times.user + times.system + times.nice)


def database_cpu(data: Path) -> float:
    """CPU seconds of this folder's PostgreSQL, backends and helpers alike."""
    for process in psutil.process_iter(["cmdline"]):
        if str(data / "postgres") in " ".join(process.info["cmdline"] or []) and "-D" in process.info["cmdline"]:
            family = [process, *process.children(recursive=True)]
            times = [one.cpu_times() for one in family if one.is_running()]
            # What ended has handed its time to the postmaster.
            waited = process.cpu_times().children_user + process.cpu_times().children_system
            return sum(one.user + one.system for one in times) + waited
    return 0.0
