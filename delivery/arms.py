"""Who is told and who is left alone: drawn by a stable hash when a message is planned."""

from __future__ import annotations

from typing import Any

from audiences.buckets import bucket_sql
from delivery.models import Arm, SendingRules


def arm_sql(profile_id: str, rules: SendingRules, *, salt: str = "", share: int = 0) -> tuple[str, list[Any]]:
    """The arm as an SQL expression over a column, and its parameters: the global holdout first, then the control
    (`share` of 10,000 under `salt`). Not for transactional messages, which everybody gets."""
    cases, params = [], []
    holdout = int(rules.global_holdout_percent * 100)
    if holdout:
        cases.append(f"WHEN {bucket_sql(profile_id)} < %s THEN '{Arm.GLOBAL_HOLDOUT}'")
        params += [rules.global_holdout_salt, holdout]
    if share:
        cases.append(f"WHEN {bucket_sql(profile_id)} < %s THEN '{Arm.CONTROL}'")
        params += [salt, share]
    if not cases:
        return f"'{Arm.TOLD}'", []
    return f"CASE {' '.join(cases)} ELSE '{Arm.TOLD}' END", params
