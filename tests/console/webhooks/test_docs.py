"""What docs/webhooks.md tells a receiver to run does what it says."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from console.webhooks.kinds import KINDS
from console.webhooks.signing import new_secret, signature
from console.webhooks.sources import SOURCES

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "webhooks.md").read_text()
BODY = b'{"id":"1","events":[]}'


def example(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


@pytest.fixture
def cases():
    """(body, header, secret, whether it is ours)."""
    old, new = new_secret(), new_secret()
    now = int(time.time())
    both = signature(BODY, keys=[new, old], at=now)
    return [
        (BODY, both, new, True),
        (BODY, both, old, True),
        (BODY, both, new_secret(), False),
        (BODY + b" ", both, new, False),
        (BODY, signature(BODY, keys=[new], at=now - 400), new, False),
        (BODY, f"t={now},v1=00", new, False),
    ]


def test_the_python_example_tells_ours_from_others(cases):
    names = {}
    exec(example("python"), names)
    assert [names["is_ours"](body, header, secret) for body, header, secret, _ in cases] == [c[3] for c in cases]


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node")
def test_the_node_example_tells_ours_from_others(cases):
    calls = [[body.decode(), header, secret] for body, header, secret, _ in cases]
    script = f"{example('javascript')}\nconsole.log(JSON.stringify({json.dumps(calls)}.map((c) => isOurs(...c))))"
    run = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == [case[3] for case in cases]


def test_every_kind_is_documented_and_can_come():
    assert set().union(*(source.kinds for source in SOURCES)) == set(KINDS)
    assert [kind for kind in KINDS if f"| `{kind}` |" not in PAGE] == []
