"""Publishing a message template: from a draft to a version that never changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import transaction

from campaigns import content
from campaigns.models import MessageTemplate, TemplateVersion


class Unpublishable(ValueError):
    """The draft has errors; `problems` says which, field by field, in a marketer's words."""

    def __init__(self, problems: Sequence[content.Problem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))
        self.problems = list(problems)


def publish(template: MessageTemplate, *, by: User | None, now: dt.datetime) -> TemplateVersion:
    """Freeze the draft as the next version, or raise Unpublishable. An unchanged draft keeps its version."""
    written = template.content()
    errors = [problem for problem in content.check(written) if problem.severity == "error"]
    if errors:
        raise Unpublishable(errors)
    with transaction.atomic():
        MessageTemplate.objects.select_for_update().get(pk=template.pk)
        latest = template.latest()
        if latest is not None and latest.content() == written:
            return latest
        return TemplateVersion.objects.create(
            template=template,
            number=latest.number + 1 if latest else 1,
            published_by=by,
            published_at=now,
            **written,
        )
