"""What the gates would say of a message now, without sending it."""

from __future__ import annotations

import datetime as dt

from delivery import outbox
from delivery.content import Rendering, Unrenderable, source_named
from delivery.gates.fetch import Fetcher
from delivery.gates.judge import AFTER_CONTENT, judge
from delivery.gates.verdict import Verdict, Verdicts
from delivery.models import Message
from delivery.routes import Routes


def judge_now(message: Message, *, now: dt.datetime) -> Verdicts:
    """The verdicts in the order of the gates, up to and with the first "no". Limits a minute are not asked: they say
    when, not whether. About ten queries; nothing is taken or written."""
    row = {name: getattr(message, name) for name in outbox.COLUMNS}
    (facts,) = Fetcher(message.wave, Routes.current()).fetch([row], now=now)
    verdicts = judge(facts, now=now)
    if not verdicts[-1].allowed:
        return verdicts
    device = next((one for one in facts.devices if not one.why_not_live), None)
    rendering = Rendering(message.pk, facts.profile_id, facts.data, device.context if device else {})
    (content,) = source_named(message.wave.content_source).render(message.wave, [rendering], now=now)
    if isinstance(content, Unrenderable):
        return (*verdicts, Verdict.no("content", content.reason, detail=content.detail))
    return (*verdicts, Verdict.yes("content"), *judge(facts, now=now, gates=AFTER_CONTENT))
