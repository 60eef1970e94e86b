"""Message content: what others need of it, in one place.

Rendering (rendering.py), checking what is written (content_check.py), a trial in a child process (content_trial.py).
The context of a template, all plain values:

- `profile`: its attributes, and external_id, locale, zone
- `event` (or `entry`): what triggered the message
- `last`: the properties of the most recent event of a name, `{{ last['Product Added'].name | default: 'your pick' }}`
- `catalog`: items by key; `device`; `message`; `site` (name, url); `now`, the moment of sending, as text or datetime

A name without a value is never an error in a condition, and `default` replaces it; written out bare it holds the
message back.
"""

from __future__ import annotations

from campaigns.content_check import Problem, check
from campaigns.content_trial import trial
from campaigns.liquid.environment import ROOTS
from campaigns.liquid.fields import FieldUse, fields_used
from campaigns.liquid.tree import Refused
from campaigns.rendering import Compiled, Content, Unrenderable, compile_template, render_batch, written

__all__ = [
    "ROOTS",
    "Compiled",
    "Content",
    "FieldUse",
    "Problem",
    "Refused",
    "Unrenderable",
    "check",
    "compile_template",
    "fields_used",
    "render_batch",
    "trial",
    "written",
]
