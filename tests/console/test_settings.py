"""Settings: each is documented, and a wrong one stops the start with one line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_every_variable_is_documented():
    code = "\n".join(
        (ROOT / "console" / name).read_text()
        for name in ("settings.py", "embedded.py", "launcher.py", "gunicorn.py", "environment.py")
    )
    read = set(re.findall(r"\"((?:HEED_[A-Z_]+|PORT|DEBUG|SECRET_KEY|DATABASE_URL|REDIS_URL))\"", code))
    read -= {"HEED_DATA_SAID", "HEED_PARENT"}  # our own processes tell each other
    page = (ROOT / "docs" / "settings.md").read_text()
    assert {name for name in read if f"`{name}`" not in page} == set()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "eighty", "set a whole number from 1 to 65535"),
        ("PORT", "80.5", "set a whole number"),
        ("HEED_WORKERS", "-1", "set a whole number from 0 to 64"),
        ("HEED_WEB_WORKERS", "many", "set a whole number from 1 to 64"),
        ("HEED_TRACK_RATE", "nan", "set a number from 0 to 1,000,000"),
        ("HEED_LOG_LEVEL", "loud", "set one of DEBUG, INFO"),
        ("DATABASE_URL", "postgresql://u:p@host:port/x", "must look like postgresql://"),
        ("REDIS_URL", "localhost:6379", "must look like redis://"),
        ("REDIS_URL", "redis://localhost:port/0", "must look like redis://"),
        ("DEBUG", "maybe", "set 1 or 0"),
        ("DATABASE_URL", "mysql://x/y", "must look like postgresql://"),
        ("HEED_PUSH_ORIGINS", "push.example.com", "an origin looks like"),
        ("HEED_APNS_ORIGIN", "api.push.apple.com", "an origin looks like"),
        ("HEED_CA_FILE", "/nowhere/ca.pem", "cannot be read"),
        ("HEED_BASE_URL", "heed.example.com", "an origin looks like"),
        ("HEED_KEK", "short", "64 hexadecimal digits"),
        ("HEED_DATA", "/tmp/" + "x" * 100, "choose a shorter path"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(name, value, words):
    run = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=os.environ | {name: value},
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0
    lines = run.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"heed: {name} ")
    assert words in lines[0]
