"""B9: the console's pages over a million people, against the same pages with one of everything: seconds of the server and
queries. Every address of the console is asked, and what the builders and forms ask while one types."""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import million

TIMES = 5
MOST_QUERIES, MOST_TIMES = 25, 3.0
# Words to the database that ask it nothing.
TRANSACTION = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT", "SELECT set_config", "SET LOCAL")
PROFILES = int(os.environ.get("B9_PROFILES", 1_000_000))
EVENTS = int(os.environ.get("B9_EVENTS", 10_000_000))

RULES: dict[str, dict[str, Any]] = {
    "everyone": {"everyone": True},
    "plan is pro": {"attribute": "plan", "kind": "string", "op": "=", "value": "pro"},
    "bought 30 days": {"event": "Order Completed", "window": {"last": "30d"}},
    "cart, no purchase": {
        "sequence": {
            "first": {"event": "Product Added"},
            "then": {"event": "Order Completed"},
            "within": "2d",
            "happened": False,
            "window": {"last": "14d"},
        }
    },
    "viewed a tent, never bought": {
        "all": [
            {
                "event": "Product Viewed",
                "where": [{"property": "category", "kind": "string", "op": "=", "value": "Tents"}],
                "window": {"last": "14d"},
            },
            {"event": "Order Completed", "count": {"op": "=", "value": 0}, "window": {"ever": True}},
            {"device": [{"field": "live", "op": "is true"}]},
        ]
    },
    "nobody": {"attribute": "plan", "kind": "string", "op": "=", "value": "none of it"},
}

Figure = tuple[float, int]


def run(data: Path, wanted: set[str]) -> list[dict[str, Any]]:
    import django

    django.setup()
    now = dt.datetime.now(dt.UTC)
    asked = prepare(now)
    small = {name: measured(ask) for name, ask in asked.items()}
    grow(now)
    large = {name: measured(ask) for name, ask in asked.items()}
    return [line(small, large)]


def line(small: dict[str, Figure], large: dict[str, Figure]) -> dict[str, Any]:
    ratios = {name: large[name][0] / small[name][0] for name in large}
    for name in sorted(ratios, key=ratios.__getitem__, reverse=True):
        sys.stderr.write(
            f"{ratios[name]:6.1f} ×  {small[name][0] * 1000:7.1f} → {large[name][0] * 1000:8.1f} ms"
            f"  {large[name][1]:3d} queries  {name}\n"
        )
    worst, most = max(ratios, key=ratios.__getitem__), max(large, key=lambda name: large[name][1])
    over = sum(ratio > MOST_TIMES for ratio in ratios.values())
    return {
        "id": "B9",
        "ratio": ratios[worst],
        "goal": MOST_TIMES,
        "met": not over and large[most][1] <= MOST_QUERIES,
        "says": f"{len(ratios)} pages and fragments over {PROFILES:,} profiles and {EVENTS:,} events: median "
        f"{median(ratios.values()):.2f} ×, {over} over the goal, the worst “{worst}” {large[worst][0] * 1000:.0f} ms; "
        f"at most {large[most][1]} queries (“{most}”)",
    }


def measured(ask: Callable[[], Any]) -> Figure:
    """(seconds, queries) of one answer: the median of five, after one that nobody counts."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        _whole(ask())
    count = sum(not query["sql"].startswith(TRANSACTION) for query in queries.captured_queries)
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        _whole(ask())
        took.append(time.perf_counter() - began)
    return median(took), count


def _whole(answer: Any) -> None:
    if answer.status_code >= 400:
        raise RuntimeError(f"{answer.status_code}: {answer.content[:200]!r}")
    if answer.streaming:
        for _ in answer.streaming_content:
            pass


def prepare(now: dt.datetime) -> dict[str, Callable[[], Any]]:
    """One of everything, and what will be asked of it."""
    from django.conf import settings
    from django.contrib.auth.models import User

    from delivery.models import Cap, SendingRules
    from tests import make

    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
    million.load(profiles=20, events=200, now=now)
    SendingRules.objects.create(pk=1)
    Cap.objects.create(limit=5, hours=168)
    make.credential(), make.source("browser")
    segment = make.segment({"everyone": True}, "Everyone")
    make.segment(RULES["cart, no purchase"], "Left in the cart")
    template = make.version(
        name="Hello",
        title="{{ profile.first_name | default: 'Hello' }}, your {{ last['Product Viewed'].name | default: 'pick' }}",
        body="Hello",
    ).template
    draft = make.campaign(name="Draft", template=template)
    draft.included.add(segment)
    campaign = _sent(template, segment, now, name="To the first few")
    User.objects.create_superuser("olive")
    return requests(campaign, draft)


def requests(campaign: Any, draft: Any) -> dict[str, Callable[[], Any]]:
    """Name → a request. What is asked of `campaign` is asked of the largest that there is."""
    from django.contrib.auth.models import User
    from django.test import Client

    from audiences.models import Profile, Segment
    from campaigns.models import Campaign
    from tests.routes import routes

    person = Profile.objects.filter(messages__isnull=False).order_by("pk").first()
    assert person is not None
    ids = {
        "console/campaigns/": [campaign.pk, draft.pk],
        "console/reports/": [campaign.pk],
        "console/templates/": [draft.template_id],
        "console/segments/": [Segment.objects.order_by("pk").first().pk],
        "console/profiles/": [person.pk],
        "console/settings/team/": [User.objects.get(username="olive").pk],
        "console/settings/rules/": [1],
    }
    client = Client()
    client.force_login(User.objects.get())

    def ask(address: str, **posted: Any) -> Callable[[], Any]:
        # The campaign that is looked at is the largest there is.
        def asked() -> Any:
            latest = Campaign.objects.filter(state="finished").order_by("-pk").first()
            where = address.replace("LARGEST", str(latest.pk if latest else 0))
            return client.post(where, posted) if posted else client.get(where)

        return asked

    found: dict[str, Callable[[], Any]] = {}
    for route in routes():
        # The export of a million lines costs what a million lines cost.
        if not route.text.startswith("console/") or route.text.endswith(("logout/", "profiles.csv")):
            continue
        if "url" in route.parameters:
            continue
        numbers = next((numbers for start, numbers in ids.items() if route.text.startswith(start)), [1])
        for number in numbers:
            shown = "LARGEST" if number == campaign.pk and "campaign" in route.text else number
            address = route.address(**{name: "pause" if name == "name" else shown for name in route.parameters})
            if client.get(address.replace("LARGEST", str(campaign.pk))).status_code == 200:
                found[address] = ask(address)
    found |= {
        "profiles, searched by name": ask("/console/profiles/?q=Cleo"),
        "profiles, searched by mail": ask("/console/profiles/?q=p77@ex"),
        "profiles, searched by id": ask("/console/profiles/?q=shop-7"),
        "profiles, nobody found": ask("/console/profiles/?q=nobody at all"),
        "profiles, page 40": ask("/console/profiles/?p=1"),
        "people held back": ask("/console/campaigns/LARGEST/people/?state=suppressed&reason=opted_out"),
        "people, searched by name": ask("/console/campaigns/LARGEST/people/?q=Cleo"),
        "people, searched by id": ask("/console/campaigns/LARGEST/people/?q=shop-7"),
        "people, in the middle": ask("/console/campaigns/LARGEST/people/?after=500000"),
        "found by ⌘K": ask("/console/search/?s=shop-7"),
        "template preview": ask("/console/templates/preview/", **_template(), case="typical"),
        "template preview, missing": ask("/console/templates/preview/", **_template(), case="missing"),
        "template preview, never": ask("/console/templates/preview/", **_template(), case="never"),
        "template preview, longest": ask("/console/templates/preview/", **_template(), case="longest"),
        "campaign summary": ask("/console/campaigns/summary/", **_campaign(draft)),
    }
    for name, rule in RULES.items():
        form = _rule_form(rule)
        found[f"segment reach: {name}"] = ask("/console/segments/build/reach/", **form)
        found[f"segment why: {name}"] = ask("/console/segments/build/why/", **form, who="shop-7")
    return found


def grow(now: dt.datetime) -> None:
    """A million people, ten million events, and a campaign to all of them."""
    from audiences.models import Segment
    from campaigns.models import MessageTemplate
    from campaigns.tasks import count_large

    million.load(profiles=PROFILES, events=EVENTS, now=now)
    _sent(MessageTemplate.objects.get(name="Hello"), Segment.objects.get(name="Everyone"), now, name="To everyone")
    count_large()  # as the background does


def _sent(template: Any, segment: Any, now: dt.datetime, *, name: str) -> Any:
    from tests import make

    at = now - dt.timedelta(days=10)
    campaign = make.campaign(
        name=name, template=template, version=template.latest(), state="scheduled", scheduled_at=at, launched_at=at
    )
    campaign.included.add(segment)
    million.send_to_all(campaign, now=at)
    return campaign


def _template() -> dict[str, str]:
    return {
        "name": "x",
        "title": "{{ profile.first_name | default: 'Hello' }}",
        "body": "{{ last['Product Viewed'].name | default: 'pick' }} {{ profile.nickname | default: 'x' }}",
    }


def _campaign(draft: Any) -> dict[str, Any]:
    return {
        "name": "New",
        "included": [segment.pk for segment in draft.included.all()],
        "template": draft.template_id,
        "topic": draft.topic_id,
        "message_class": "promotional",
        "goal_event": "Order Completed",
        "goal_hours_number": "7",
        "goal_hours_unit": "day",
        "expires_hours_number": "1",
        "expires_hours_unit": "day",
        "control_percent": "10",
        "start": "now",
    }


def _rule_form(rule: dict[str, Any]) -> dict[str, str]:
    """What the builder's page posts for a rule."""
    from console.builder.segment_draft import TESTS, from_rule, walk

    form: dict[str, str] = {}
    for place, _, node in walk(from_rule(rule)):
        for name, value in node.items():
            if isinstance(value, str):
                form[f"{place}:{name}"] = value
        for tests in TESTS.get(node["type"], ()):
            for number, test in enumerate(node[tests]):
                form |= {f"{place}:{tests}:{number}:{name}": str(value) for name, value in test.items()}
    return form
