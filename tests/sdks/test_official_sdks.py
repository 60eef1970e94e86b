"""Official SDKs, unmodified but for the host, deliver everything they are given."""

from __future__ import annotations

import datetime as dt
import importlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from audiences.models import Event, Identifier, Profile
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)

HERE = Path(__file__).parent
AT = dt.datetime(2026, 11, 20, 10, 0, tzinfo=dt.UTC)


def missing(what: str) -> None:
    """A part that is not installed: its test is skipped by name, but never in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is not installed")
    pytest.skip(f"{what} is not installed")


@pytest.fixture
def server(redis_server):
    return make.source("server", key="server-key")


def check_everything_arrived(*, events: int) -> None:
    """What each of the scripts below sends: one of each call, and many events."""
    ada = Profile.objects.get(external_id="ada")
    assert ada.attributes["plan"] == "pro"
    assert ada.attributes["group_id"] == "acme"
    assert ada.attributes["group"] == {"name": "Acme"}
    assert set(Identifier.objects.filter(profile=ada).values_list("value", flat=True)) == {
        "ada",
        "visitor",
        "old-visitor",
    }
    stored = Event.objects.filter(profile=ada)
    assert stored.filter(name="Product Added").count() == events
    assert sorted(stored.filter(name="Product Added").values_list("properties__number", flat=True)) == list(
        range(events)
    )
    assert stored.get(name="Product Viewed").occurred_at == AT
    assert stored.get(name="Product Viewed").properties == {"sku": "s-1"}
    page, screen = stored.get(kind="page"), stored.get(kind="screen")
    assert (page.name, page.properties) == ("Page Viewed", {"name": "Home", "path": "/"})
    assert (screen.name, screen.properties) == ("Screen Viewed", {"name": "Cart"})
    assert Event.objects.count() == events + 3
    assert "library" in stored.get(kind="page").context


@pytest.mark.parametrize(("sdk", "gzip"), [("segment", False), ("segment", True), ("rudderstack", True)])
def test_an_sdk_for_python_delivers_everything(live_server, server, sdk, gzip):
    if not os.environ.get("CI"):
        pytest.importorskip(f"{sdk}.analytics")
    make_client = importlib.import_module(f"{sdk}.analytics.client").Client

    problems = []
    client = make_client("server-key", host=live_server.url, gzip=gzip, on_error=lambda *said: problems.append(said))
    client.track(anonymous_id="visitor", event="Product Viewed", properties={"sku": "s-1"}, timestamp=AT)
    client.identify("ada", anonymous_id="visitor", traits={"plan": "pro"})
    for number in range(120):
        client.track("ada", "Product Added", {"price": 12.5, "number": number})
    client.page("ada", name="Home", properties={"path": "/"})
    client.screen("ada", name="Cart")
    client.group("ada", "acme", {"name": "Acme"})
    client.alias("old-visitor", "ada")
    client.flush()
    client.join()
    assert problems == []
    check_everything_arrived(events=120)


def test_segments_sdk_for_node_delivers_everything(live_server, server):
    if not shutil.which("node"):
        missing("Node")
    if not (HERE / "node_modules/@segment/analytics-node").exists():
        missing("@segment/analytics-node (npm ci in tests/sdks)")
    done = subprocess.run(
        ["node", "node_sdk.mjs", live_server.url, "server-key"], cwd=HERE, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    check_everything_arrived(events=120)


def test_an_sdk_hears_that_its_key_is_wrong(live_server, server):
    if not os.environ.get("CI"):
        pytest.importorskip("segment.analytics")
    from segment.analytics.client import Client

    problems = []
    client = Client("wrong", host=live_server.url, max_retries=0, on_error=lambda error, batch: problems.append(error))
    client.track("ada", "Product Added")
    client.flush()
    client.join()
    assert "unknown_write_key" in str(problems[0])
    assert not Event.objects.exists()
