"""What blocks a launch, and what someone should know before it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from audiences.models import Device, Segment
from audiences.segments import audience, language
from campaigns import content, unserved
from campaigns.models import Campaign
from campaigns.unserved import Unserved
from delivery import rhythm
from delivery.models import Credential, Hold, MessageClass

MOST_KINDS = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """`field` is the campaign's field beside which it is shown; only errors block. `missing` are the devices for which a
    push credential would mend it."""

    severity: Literal["error", "warning"]
    field: str
    message: str
    missing: Unserved | None = None


def problems(campaign: Campaign, *, now: dt.datetime) -> list[Problem]:
    """Everything that stands against launching this campaign now. About ten queries."""
    included, excluded = list(campaign.included.all()), list(campaign.excluded.all())
    gateways = set(Credential.objects.filter(retired_at=None).values_list("gateway", flat=True))
    return [
        *_audience(included, excluded, now=now),
        *_template(campaign),
        *measuring(campaign),
        *_schedule(campaign, now=now),
        *_rhythm(campaign, gateways, now=now),
        *_gateway(gateways),
        *_credentials(included, excluded, now=now),
    ]


def _audience(included: Sequence[Segment], excluded: Sequence[Segment], *, now: dt.datetime) -> list[Problem]:
    if not included:
        return [Problem("error", "included", "Choose whom it is for: at least one segment.")]
    found = []
    for segment in [*included, *excluded]:
        if segment.archived_at:
            found.append(Problem("error", "included", f"The segment “{segment}” is archived. Choose another."))
        try:
            language.parse(segment.rule)
        except language.InvalidRule as invalid:
            found.append(Problem("error", "included", f"The segment “{segment}” is not valid: {invalid}"))
    if not found and audience.count(included, excluded, now=now, at_most=1) == 0:
        found.append(Problem("error", "included", "Nobody is in this audience now."))
    return found


def _template(campaign: Campaign) -> list[Problem]:
    latest = campaign.template.latest()
    if latest is None:
        return [Problem("error", "template", "Publish the message template first.")]
    found = [
        Problem("error", "template", f"{problem.field}: {problem.message}")
        for problem in content.check(latest.content())
        if problem.severity == "error"
    ]
    if latest.content() != campaign.template.content():
        found.append(
            Problem(
                "warning", "template", f"The template was edited since version {latest.number}, which will be sent."
            )
        )
    return found


def measuring(campaign: Campaign) -> list[Problem]:
    """What is missing for a report and for people's choice; of an unsaved campaign too. No query of its own."""
    found = []
    if not campaign.goal_event:
        found.append(Problem("error", "goal_event", "Name the event that you hope for, so that the report can tell."))
    if campaign.control_percent == 0 and not campaign.control_reason.strip():
        found.append(
            Problem("error", "control_reason", "Without a control nothing can be proved: say why there is none.")
        )
    if campaign.topic is None and campaign.message_class != "transactional":
        found.append(Problem("error", "topic", "Choose a topic, so that people can leave it without leaving all."))
    return found


def _schedule(campaign: Campaign, *, now: dt.datetime) -> list[Problem]:
    if campaign.scheduled_at and campaign.scheduled_at < now - dt.timedelta(minutes=1):
        return [
            Problem("error", "scheduled_at", "This time has passed. Choose a later one, or leave it empty for now.")
        ]
    return []


def _rhythm(campaign: Campaign, gateways: Collection[str], *, now: dt.datetime) -> list[Problem]:
    starts = max(campaign.scheduled_at or now, now)
    ends = rhythm.quiet_around(starts)
    if ends is None or campaign.exact_time or campaign.message_class == MessageClass.TRANSACTIONAL:
        return []
    if Device.Gateway.FCM not in gateways:
        return []
    said = f"It starts near a quarter hour. If {rhythm.LARGE:,} people or more get it, Android waits until {ends:%H:%M} UTC"
    return [Problem("warning", "scheduled_at", f"{said}: Google asks for that, unless the exact minute matters.")]


def _gateway(gateways: Collection[str]) -> list[Problem]:
    if not gateways:
        return [Problem("error", "", "Add a push credential in Settings first.")]
    stopped = Hold.objects.filter(until=None, credential__retired_at=None).select_related("credential").order_by("pk")
    return [Problem("warning", "", f"The credential “{one.credential}” is paused: {one.detail}") for one in stopped]


def _credentials(included: Sequence[Segment], excluded: Sequence[Segment], *, now: dt.datetime) -> list[Problem]:
    if not included:
        return []
    try:
        found = unserved.unserved(included, excluded, now=now)
    except language.InvalidRule:
        return []
    return [Problem("warning", "", unserved.in_words(one), one) for one in found[:MOST_KINDS]]
