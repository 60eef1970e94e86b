"""The report of one campaign: planned → sent → shown → clicked → converted, what was held back, and what it caused."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass

from campaigns.models import Campaign
from campaigns.results.lift import Comparison, Counts, Interval, SampleRatio, compare, guardrail, sample_ratio
from campaigns.results.outcomes import Goal, Sum
from campaigns.results.rollups import Counted, counted
from delivery.models import Arm, Message, Wave

State = Message.State
OPEN = {State.QUEUED, State.CLAIMED, State.PUSHING}


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the funnel. `of` is the step that its share refers to."""

    name: str
    profiles: int
    of: int

    @property
    def share(self) -> float:
        return self.profiles / self.of if self.of else 0.0


@dataclass(frozen=True, slots=True)
class CampaignResult:
    """Every number of the report. Unit: profiles. Rates are shares, 0–1.

    `opt_outs` compares who left within 24 hours: opted out, or forbade notifications on a device (`lost_permission`,
    of the told). Addresses that their gateways called dead are counted apart. `attributed` counts those whose goal came within the window after a click, last click first; `caused` compares the
    arms. The two answer different questions and are never added.
    """

    wave: Wave | None
    goal: Goal
    planned: int
    open: int
    funnel: tuple[Stage, ...]
    held_out: int
    global_holdout: int
    reasons: tuple[tuple[str, str, int], ...]
    dismissed: int
    attributed: int
    caused: Comparison
    ratio: SampleRatio | None
    opt_outs: Comparison
    lost_permission: int
    dead_addresses: int
    opt_out_verdict: str
    opt_out_interval: Interval | None
    matures_at: dt.datetime | None
    is_mature: bool
    grain: str
    series: tuple[tuple[dt.datetime, str, int], ...]
    counted_at: dt.datetime | None = None

    @property
    def verdict(self) -> str:
        """What may be said: up, down, open, too_few, preliminary or bad_ratio."""
        if self.ratio is not None and self.ratio.alarms:
            return "bad_ratio"
        if self.caused.missing:
            return "too_few"
        return self.caused.verdict if self.is_mature else "preliminary"


def result_of(campaign: Campaign, *, now: dt.datetime) -> CampaignResult:
    """The report as of now. A campaign that opened no wave yet has zeros. Three queries."""
    goal = Goal(campaign.goal_event, dt.timedelta(hours=campaign.goal_hours))
    wave = Wave.objects.filter(origin=campaign.origin).order_by("pk").first()
    found = counted(wave, goal, now=now) if wave else Counted([], [], "hour")
    groups = found.sums
    told = [group for group in groups if group.arm == Arm.TOLD]
    control = [group for group in groups if group.arm == Arm.CONTROL]
    caused = compare(_conversions(told), _conversions(control))
    opt_outs = compare(_opt_outs(told), _opt_outs(control))
    opt_out_verdict, opt_out_interval = guardrail(opt_outs.told, opt_outs.control)
    last = max((group.last_decided_at for group in groups if group.last_decided_at), default=None)
    matures_at = last + goal.window if last else None
    still_open = sum(group.profiles for group in groups if group.state in OPEN)
    return CampaignResult(
        wave=wave,
        goal=goal,
        planned=sum(group.profiles for group in groups),
        open=still_open,
        funnel=_funnel(groups, told),
        held_out=sum(g.profiles for g in control if g.state == State.HELD_OUT),
        global_holdout=sum(g.profiles for g in groups if g.arm == Arm.GLOBAL_HOLDOUT and g.state == State.HELD_OUT),
        reasons=_reasons(groups),
        dismissed=sum(group.dismissed for group in told),
        attributed=sum(group.attributed for group in told),
        caused=caused,
        ratio=_ratio(campaign, caused, last, still_open),
        opt_outs=opt_outs,
        lost_permission=sum(group.lost_permission for group in told),
        dead_addresses=sum(group.dead_addresses for group in told),
        opt_out_verdict=opt_out_verdict,
        opt_out_interval=opt_out_interval,
        matures_at=matures_at,
        is_mature=bool(matures_at and matures_at <= now and not still_open),
        grain=found.grain,
        series=tuple(found.series),
        counted_at=found.at,
    )


def _funnel(groups: list[Sum], told: list[Sum]) -> tuple[Stage, ...]:
    planned = sum(group.profiles for group in groups)
    sent = sum(group.sent for group in told)
    shown = sum(group.shown for group in told)
    clicked = sum(group.clicked for group in told)
    return (
        Stage("planned", planned, planned),
        Stage("sent", sent, planned),
        Stage("shown", shown, sent),
        Stage("clicked", clicked, shown),
        Stage("converted", sum(group.converted for group in told if group.sent), sent),
    )


def _reasons(groups: list[Sum]) -> tuple[tuple[str, str, int], ...]:
    """(state, reason, profiles) of what was planned and not sent, most first; held-out people are no failure."""
    count: Counter[tuple[str, str]] = Counter()
    for group in groups:
        if group.state not in {State.SENT, State.HELD_OUT} and (group.state not in OPEN or group.reason):
            count[group.state, group.reason or group.state] += group.profiles
    return tuple((state, reason, n) for (state, reason), n in count.most_common())


def _conversions(groups: list[Sum]) -> Counts:
    return Counts(sum(group.decided for group in groups), sum(group.converted for group in groups))


def _opt_outs(groups: list[Sum]) -> Counts:
    return Counts(sum(group.decided for group in groups), sum(group.opted_out for group in groups))


def _ratio(campaign: Campaign, caused: Comparison, last: dt.datetime | None, still_open: int) -> SampleRatio | None:
    """Told and control enter their arms by the same gates, so their sizes must fit the hash's weights."""
    if not campaign.control_percent or last is None or still_open:
        return None
    share = campaign.control_percent
    return sample_ratio((caused.told.n, caused.control.n), (100 - share, share))
