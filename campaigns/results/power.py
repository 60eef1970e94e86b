"""Before launch: the smallest lift that an audience and its control can show."""

from __future__ import annotations

from campaigns.results.lift import Z95

Z_POWER_80 = 0.841621
LARGEST_LIFT = 10.0
"""Beyond +1,000 % nobody hopes, and the normal approximation does not hold."""


def control_needed(base: float, lift: float, *, ratio: float = 1.0, z_power: float = Z_POWER_80) -> float:
    """How many must be held out to find this relative lift over `base`, with `ratio` told for each held out."""
    told = base * (1 + lift)
    spread = told * (1 - told) / ratio + base * (1 - base)
    return (Z95 + z_power) ** 2 * spread / (told - base) ** 2


def smallest_lift(base: float, *, told: int, control: int) -> float | None:
    """The smallest relative lift over the base rate that is found four times in five. None: it cannot be found.

    `base` is the share that converts without the message, 0–1.
    """
    if not 0 < base < 1 or told <= 0 or control <= 0:
        return None
    low, high = 0.0, min(LARGEST_LIFT, 1 / base - 1)
    if control_needed(base, high, ratio=told / control) > control:
        return None
    for _ in range(60):
        middle = (low + high) / 2
        if control_needed(base, middle, ratio=told / control) > control:
            low = middle
        else:
            high = middle
    return high
