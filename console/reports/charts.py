"""Numbers in, figure out: plain dictionaries for Plotly.newPlot. Colours and fonts are the page's own (charts.js)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from html import escape
from typing import Any

from campaigns.results.campaign import CampaignResult, Stage
from campaigns.results.lift import Counts, wilson

Figure = dict[str, Any]
SERIES = ("sent", "shown", "clicked", "converted")


def funnel(stages: Sequence[Stage]) -> Figure:
    """Horizontal bars, the first stage on top, each with its share of the stage before."""
    names = [stage.name.capitalize() for stage in stages]
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "y": names,
                "x": [stage.profiles for stage in stages],
                "text": [
                    f"{stage.profiles:,}" + (f"  ({stage.share:.1%})" if i else "") for i, stage in enumerate(stages)
                ],
                "textposition": "outside",
                "cliponaxis": False,
                "hovertemplate": "%{y}: %{x:,} profiles<extra></extra>",
                "marker": {"color": "accent"},
            }
        ],
        "layout": {
            "yaxis": {"autorange": "reversed"},
            "xaxis": {"visible": False, "range": [0, 1.25 * max((s.profiles for s in stages), default=1) or 1]},
            "height": 60 + 44 * len(stages),
            "margin": {"l": 90, "r": 10, "t": 10, "b": 10},
        },
    }


def reasons(rows: Sequence[tuple[str, int]]) -> Figure:
    """Why messages that were planned were not sent: (words, profiles), most first. Words are escaped here."""
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "y": [escape(words) for words, _ in rows],
                "x": [n for _, n in rows],
                "text": [f"{n:,}" for _, n in rows],
                "textposition": "outside",
                "cliponaxis": False,
                "hovertemplate": "%{y}: %{x:,} profiles<extra></extra>",
                "marker": {"color": "muted"},
            }
        ],
        "layout": {
            "yaxis": {"autorange": "reversed", "automargin": True},
            "xaxis": {"visible": False, "range": [0, max((n for _, n in rows), default=1)]},
            "height": 60 + 36 * len(rows),
            "margin": {"l": 10, "r": 60, "t": 10, "b": 10},
        },
    }


def arms(told: Counts, control: Counts) -> Figure:
    """The conversion rate of both arms, with 95 % Wilson intervals."""
    pairs = [("Held out", control), ("Told", told)]
    intervals = [wilson(arm) for _, arm in pairs]
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers+text",
                "y": [name for name, _ in pairs],
                "x": [arm.rate for _, arm in pairs],
                "text": [f"{arm.rate:.2%}" for _, arm in pairs],
                "textposition": "top center",
                "cliponaxis": False,
                "marker": {"size": 13, "color": ["muted", "accent"]},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [high - arm.rate for (_, arm), (_, high) in zip(pairs, intervals, strict=True)],
                    "arrayminus": [arm.rate - low for (_, arm), (low, _) in zip(pairs, intervals, strict=True)],
                    "thickness": 2,
                    "color": "ink",
                },
                "customdata": [[arm.conversions, arm.n] for _, arm in pairs],
                "hovertemplate": "%{y}: %{customdata[0]:,} of %{customdata[1]:,} converted<extra></extra>",
            }
        ],
        "layout": {
            "xaxis": {"tickformat": ".1%", "title": {"text": "share that converted, with its 95 % interval"}},
            "yaxis": {"range": [-0.6, 1.7]},
            "height": 210,
            "margin": {"l": 80, "r": 20, "t": 10, "b": 50},
        },
    }


def course(result: CampaignResult) -> Figure:
    """The told arm as it went: profiles sent to, shown, clicked, converted so far, minute by minute or hour by hour
    (UTC). Each line starts at nothing and is drawn to the last moment of all, so that one moment is a line too."""
    series: dict[str, tuple[list[str], list[int]]] = {name: ([], []) for name in SERIES}
    step = dt.timedelta(**{f"{result.grain}s": 1})
    for moment, kind, profiles in result.series:
        moments, totals = series[kind]
        if not moments:
            moments.append((moment - step).isoformat())
            totals.append(0)
        moments.append(moment.isoformat())
        totals.append(totals[-1] + profiles)
    if result.series:
        last = (max(moment for moment, _, _ in result.series) + step).isoformat()
        for moments, totals in series.values():
            if moments:
                moments.append(last)
                totals.append(totals[-1])
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "lines",
                "name": name.capitalize(),
                "x": series[name][0],
                "y": series[name][1],
                "line": {"color": colour, "width": 2.5, "shape": "hv"},
                "hovertemplate": "%{x|%a %d %b %H:%M}: %{y:,} " + name + " so far<extra></extra>",
            }
            for name, colour in zip(SERIES, ("muted", "faint", "accent", "good"), strict=True)
            if series[name][0]
        ],
        "layout": {
            "height": 280,
            "margin": {"l": 60, "r": 10, "t": 10, "b": 40},
            "legend": {"orientation": "h", "y": 1.12},
            "xaxis": {"type": "date"},
            "yaxis": {"rangemode": "tozero", "title": {"text": "profiles so far"}},
        },
    }
