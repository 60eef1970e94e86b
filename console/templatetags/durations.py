"""{{ campaign.goal_hours|hours_in_words }}: “7 days”."""

from __future__ import annotations

import datetime as dt

from django import template

from audiences.durations import in_words

register = template.Library()


@register.filter
def hours_in_words(hours: int) -> str:
    return in_words(dt.timedelta(hours=hours))
