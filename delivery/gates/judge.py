"""The order of the gates. The first "no" decides; what passed before it is kept with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Hashable, Iterable, Iterator

from delivery.gates import checks
from delivery.gates.facts import Facts
from delivery.gates.verdict import Verdict, Verdicts

Gate = Callable[..., Verdict]
Judged = tuple[Facts, Verdicts, Verdicts]
"""A message with its verdicts before content and after it."""

# spec order: 1 duplicate, 2 profile, 3 running, 5 device, 6 consent, 9 expiry, 10 quiet hours, 12 caps, 13 cool-down.
OF_STANDING: tuple[Gate, ...] = (
    checks.duplicate,
    checks.profile,
    checks.running,
    checks.device,
    checks.consent,
    checks.expiry,
    checks.quiet_hours,
)
OF_PRESSURE: tuple[Gate, ...] = (checks.frequency_caps, checks.cool_down)
BEFORE_CONTENT = OF_STANDING + OF_PRESSURE
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


def judge(facts: Facts, *, now: dt.datetime, gates: tuple[Gate, ...] = BEFORE_CONTENT) -> Verdicts:
    """The verdicts in order, up to and with the first "no"."""
    verdicts = []
    for gate in gates:
        verdict = gate(facts, now=now)
        verdicts.append(verdict)
        if not verdict.allowed:
            break
    return tuple(verdicts)


def judge_each(batch: Iterable[Facts], *, now: dt.datetime) -> Iterator[Judged]:
    """Each message of one wave with its verdicts before content and after. Who is alike is judged once for all, but for
    the gates that look at what one got lately."""
    known: dict[Hashable, tuple[Verdicts, Verdicts]] = {}
    for facts in batch:
        alike = _likeness(facts)
        judged = known.get(alike)
        if judged is None:
            gates = OF_STANDING if facts.intents else BEFORE_CONTENT
            judged = judge(facts, now=now, gates=gates), judge(facts, now=now, gates=AFTER_CONTENT)
            if alike is not None:
                known[alike] = judged
        before, after = judged
        if facts.intents and before[-1].allowed:
            before += judge(facts, now=now, gates=OF_PRESSURE)
        yield facts, before, after


def _likeness(facts: Facts) -> Hashable:
    """All that those gates look at, beside wave and rules, where little is known of the profile. None: they look at
    more."""
    if facts.earlier or facts.had_intent or facts.own_end or facts.erased or facts.is_merged or not facts.exists:
        return None
    for choice in facts.choices.values():
        if choice.out_epoch is not None:
            return None
    devices = tuple([device.why_not_live for device in facts.devices])
    choices = tuple(facts.choices.items())
    return facts.arm, facts.zone, facts.is_reassigned, bool(facts.intents), devices, choices
