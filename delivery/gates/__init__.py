"""May we send this, to this profile, now? One small pure function a gate; the first "no" decides."""

from delivery.gates.judge import judge
from delivery.gates.verdict import Verdict

__all__ = ["Verdict", "judge"]
