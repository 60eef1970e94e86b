"""The order of the gates. The first "no" decides; what passed before it is kept with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from delivery.gates import checks
from delivery.gates.facts import Facts
from delivery.gates.verdict import Verdict

Gate = Callable[..., Verdict]

# spec order: 1 duplicate, 2 profile, 3 running, 5 device, 6 consent, 9 expiry, 10 quiet hours, 12 caps, 13 cool-down.
BEFORE_CONTENT: tuple[Gate, ...] = (
    checks.duplicate,
    checks.profile,
    checks.running,
    checks.device,
    checks.consent,
    checks.expiry,
    checks.quiet_hours,
    checks.frequency_caps,
    checks.cool_down,
)
# 16, content, stands between: it is the dearest, and both arms are rendered alike. Then 17 and 18; pacing.py is 19.
AFTER_CONTENT: tuple[Gate, ...] = (checks.global_holdout, checks.control)

NAMES = (
    "duplicate",
    "profile",
    "running",
    "device",
    "consent",
    "expiry",
    "quiet_hours",
    "frequency_cap",
    "cool_down",
    "content",
    "global_holdout",
    "control",
    "throttle",
)


def judge(facts: Facts, *, now: dt.datetime, gates: tuple[Gate, ...] = BEFORE_CONTENT) -> list[Verdict]:
    """The verdicts in order, up to and with the first "no"."""
    verdicts = []
    for gate in gates:
        verdict = gate(facts, now=now)
        verdicts.append(verdict)
        if not verdict.allowed:
            break
    return verdicts
