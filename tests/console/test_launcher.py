"""One command starts everything, survives being killed, and stops cleanly."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture
def home():
    folder = Path(tempfile.mkdtemp(prefix="heed-up-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    for process in psutil.process_iter(["cmdline"]):
        if str(folder) in " ".join(process.info["cmdline"] or []):
            process.kill()
    shutil.rmtree(folder, ignore_errors=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(home, port):
    cleaned = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")}
    return cleaned | {"HEED_DATA": str(home), "PORT": str(port), "HEED_WORKERS": "1"}


def start(home, port, *options):
    return subprocess.Popen(
        [sys.executable, "manage.py", "up", *options],
        cwd=ROOT,
        env=environment(home, port),
        stdout=(home / "up.log").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def of(home):
    """The processes that belong to this data folder."""
    found = psutil.process_iter(["cmdline"])
    return [process.info["cmdline"] for process in found if str(home) in " ".join(process.info["cmdline"] or [])]


def healthy(port, seconds=60):
    """The parts of /healthz, once it answers 200."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
                return json.loads(answer.read())["parts"]
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError("it did not become healthy")


def test_it_starts_recovers_from_kill_and_stops_leaving_nothing_behind(home):
    port = free_port()
    first = start(home, port)
    assert set(healthy(port).values()) == {"ok"}

    second = subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env=environment(home, free_port()),
        capture_output=True,
        text=True,
    )
    assert second.returncode != 0
    assert "is in use by another" in second.stderr

    for process in [*psutil.Process(first.pid).children(recursive=True), psutil.Process(first.pid)]:
        process.kill()
    for process in psutil.process_iter(["cmdline"]):
        if str(home) in " ".join(process.info["cmdline"] or []):
            process.kill()
    first.wait()

    again = start(home, port)
    assert set(healthy(port).values()) == {"ok"}
    again.send_signal(signal.SIGTERM)
    assert again.wait(30) == 0
    assert of(home) == []


def test_ctrl_c_while_the_demo_is_made_stops_without_a_word_of_failure(home):
    up = start(home, free_port(), "--demo")
    log = home / "up.log"
    end = time.monotonic() + 60
    while "60 days" not in log.read_text():
        assert time.monotonic() < end and up.poll() is None, log.read_text()
        time.sleep(0.1)
    os.killpg(up.pid, signal.SIGINT)
    assert up.wait(30) == 0
    assert log.read_text().rstrip().endswith("stopped")
    assert "Traceback" not in log.read_text()
    assert of(home) == []


def test_a_taken_port_is_one_clear_line(home):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = subprocess.run(
            [sys.executable, "manage.py", "up"], cwd=ROOT, env=environment(home, port), capture_output=True, text=True
        )
    assert run.returncode != 0
    assert run.stderr.strip().splitlines() == [f"heed: PORT {port} is taken: set another, such as PORT={port + 100}."]
