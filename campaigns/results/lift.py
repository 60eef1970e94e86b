"""What a campaign caused: the told against those held out.

Unit: the profile. Source of the formulas: Katz et al. 1978 (the interval of the risk ratio), Newcombe 1998, method 10
(the difference), Pearson's χ² (sample ratio). Two-sided at 95 % unless said otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

NORMAL = NormalDist()
Z95 = 1.959964
Z90 = 1.644854
LEAST_PER_ARM = 1_000
LEAST_CONVERSIONS = 25
SAMPLE_RATIO_ALARM = 0.001

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Counts:
    """One arm of a yes/no outcome: `n` profiles of which `conversions` converted."""

    n: int
    conversions: int

    @property
    def rate(self) -> float:
        return self.conversions / self.n if self.n else 0.0


@dataclass(frozen=True, slots=True)
class Lift:
    """How much more the told converted, relative to those held out. `incremental` counts profiles of the told arm."""

    lift: float
    interval: Interval
    incremental: float
    incremental_interval: Interval
    log_ratio: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Told against control for a yes/no outcome at a fixed horizon.

    `lift` is None where an arm has no conversion: then `p` is Fisher's exact. `missing` says, in words, why there is
    no verdict yet ("too few to say"); empty where there may be one.
    """

    told: Counts
    control: Counts
    difference: float
    difference_interval: Interval
    z: float | None
    p: float
    lift: Lift | None
    missing: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """up, down, open (the interval holds zero) or too_few."""
        if self.missing:
            return "too_few"
        if self.p >= 0.05:
            return "open"
        return "up" if self.difference > 0 else "down"


def compare(told: Counts, control: Counts) -> Comparison:
    """All numbers of one comparison. Arms may be empty; everything is then zero and `missing` says so."""
    z = pooled_z(told, control)
    lift = lift_of(told, control)
    p = 2 * (1 - NORMAL.cdf(abs(z))) if z is not None and lift is not None else _fisher(told, control)
    return Comparison(
        told=told,
        control=control,
        difference=told.rate - control.rate,
        difference_interval=newcombe(told, control),
        z=z,
        p=p,
        lift=lift,
        missing=tuple(_missing(told, control)),
    )


def lift_of(told: Counts, control: Counts, *, c: float = Z95) -> Lift | None:
    """exp(L) − 1 with L = ln(mT/mC) and the Katz interval, or None where an arm has no conversion."""
    if not told.conversions or not control.conversions:
        return None
    log_ratio = math.log(told.rate / control.rate)
    error = math.sqrt(sum((1 - arm.rate) / (arm.n * arm.rate) for arm in (told, control)))
    low, high = math.exp(log_ratio - c * error) - 1, math.exp(log_ratio + c * error) - 1
    caused = [told.conversions * (1 - 1 / (1 + share)) for share in (math.expm1(log_ratio), low, high)]
    return Lift(math.expm1(log_ratio), (low, high), caused[0], (caused[1], caused[2]), log_ratio, error)


def pooled_z(told: Counts, control: Counts) -> float | None:
    """The z of the two proportions under one common rate; None where it is undefined."""
    n = told.n + control.n
    if not told.n or not control.n:
        return None
    rate = (told.conversions + control.conversions) / n
    variance = rate * (1 - rate) * (1 / told.n + 1 / control.n)
    return (told.rate - control.rate) / math.sqrt(variance) if variance else None


def wilson(arm: Counts, *, z: float = Z95) -> Interval:
    """The score interval of one proportion."""
    if not arm.n:
        return 0.0, 1.0
    centre = (arm.rate + z * z / (2 * arm.n)) / (1 + z * z / arm.n)
    half = z / (1 + z * z / arm.n) * math.sqrt(arm.rate * (1 - arm.rate) / arm.n + z * z / (4 * arm.n**2))
    return centre - half, centre + half


def newcombe(told: Counts, control: Counts) -> Interval:
    """The interval of the difference of two proportions (hybrid score)."""
    (low_t, high_t), (low_c, high_c) = wilson(told), wilson(control)
    difference = told.rate - control.rate
    below = math.hypot(told.rate - low_t, high_c - control.rate)
    above = math.hypot(high_t - told.rate, control.rate - low_c)
    return difference - below, difference + above


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Whether the arms have the sizes that the hash should have given them."""

    chi2: float
    p: float

    @property
    def alarms(self) -> bool:
        return self.p < SAMPLE_RATIO_ALARM


def sample_ratio(counts: Sequence[int], weights: Sequence[float]) -> SampleRatio:
    """Pearson's χ² of arm sizes against their planned weights."""
    from scipy.stats import chi2 as distribution  # 60 MB: only where a report is made

    n, weight = sum(counts), sum(weights)
    expected = [n * w / weight for w in weights]
    chi2 = sum((seen - due) ** 2 / due for seen, due in zip(counts, expected, strict=True) if due)
    return SampleRatio(chi2, float(distribution.sf(chi2, len(counts) - 1)))


def guardrail(told: Counts, control: Counts, *, margin: float = 0.25) -> tuple[str, Interval | None]:
    """PASS, FAIL or INCONCLUSIVE for a harm such as opting out, with the one-sided 95 % ends of its relative rise."""
    harm = lift_of(told, control, c=Z90)
    if harm is None:
        return "INCONCLUSIVE", None
    low, high = harm.interval
    return ("PASS" if high < margin else "FAIL" if low > 0 else "INCONCLUSIVE"), harm.interval


def _missing(told: Counts, control: Counts) -> list[str]:
    smaller = min(told, control, key=lambda arm: arm.n)
    found = [
        f"{LEAST_PER_ARM - arm.n:,} more profiles {name}"
        for name, arm in (("told", told), ("held out", control))
        if arm.n < LEAST_PER_ARM
    ]
    if smaller.conversions < LEAST_CONVERSIONS:
        found.append(f"{LEAST_CONVERSIONS - smaller.conversions} more conversions in the smaller arm")
    return found


def _fisher(told: Counts, control: Counts) -> float:
    if not told.n or not control.n:
        return 1.0
    from scipy.stats import fisher_exact

    table = [[arm.conversions, arm.n - arm.conversions] for arm in (told, control)]
    return float(fisher_exact(table).pvalue)
