"""Segment's official browser SDK, unmodified, in a real Chromium, on a page of another origin than ours."""

from __future__ import annotations

import functools
import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiences.models import Event, Identifier, Profile
from audiences.sources import identity_hash
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)

SDK = Path(__file__).parent.parent / "sdks/node_modules/@segment/analytics-next/dist/umd"

PAGE = """<!doctype html><title>A shop</title><script src="/sdk/index.js"></script>
<script type="module">
  const said = JSON.parse(document.querySelector("#said").textContent);
  const { AnalyticsBrowser } = window.AnalyticsNext;
  const [analytics] = await AnalyticsBrowser.load(
    { writeKey: said.key, cdnURL: said.host },
    said.integrations ? { integrations: said.integrations } : {},
  );
  window.analytics = analytics;
  window.said = said;
  document.body.dataset.ready = "yes";
</script><body><script id="said" type="application/json">%s</script></body>"""


@pytest.fixture
def shop(settings, live_server) -> Iterator[tuple[str, dict]]:
    """A foreign site that serves the SDK's own files and one page; (its origin, what the page is told)."""
    if not SDK.exists():
        if os.environ.get("CI"):
            pytest.fail("@segment/analytics-next is not installed (npm ci in tests/sdks)")
        pytest.skip("@segment/analytics-next is not installed (npm ci in tests/sdks)")
    said: dict = {"key": "browser-key", "host": live_server.url}

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/sdk/"):
                self.path = self.path.removeprefix("/sdk")
                super().do_GET()
                return
            page = (PAGE % json.dumps(said)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *args):
            pass

    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(SDK)))
    threading.Thread(target=site.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{site.server_port}"
    settings.HEED_CORS_ORIGINS = (origin,)
    settings.HEED_BASE_URL = live_server.url
    yield origin, said
    site.shutdown()


@pytest.fixture
def browser_source(redis_server):
    return make.source("browser", key="browser-key")


SEND = """async () => {
  await analytics.track("Product Viewed", { sku: "s-1" });
  await analytics.identify("ada", { plan: "pro" }, { context: { userHash: said.proof } });
  for (let number = 0; number < 8; number += 1) await analytics.track("Product Added", { price: 12.5, number });
  await analytics.page("Home", { shelf: 3 });
  await analytics.screen("Cart");
  await analytics.group("acme", { name: "Acme" }, { context: { userHash: said.proof } });
  await analytics.alias("ada", "old-visitor");
  return analytics.user().anonymousId();
}"""


@pytest.mark.parametrize("way", ["by our settings document", "by integrations given in the page", "in batches"])
def test_segments_browser_sdk_delivers_everything(chromium, live_server, shop, browser_source, way):
    origin, said = shop
    make.profile("ada", proven_at=make.NOW)
    said["proof"] = identity_hash(browser_source, "ada")
    host = live_server.url.removeprefix("http://")
    if way != "by our settings document":
        said["integrations"] = {"Segment.io": {"apiHost": f"{host}/v1", "protocol": "http"}}
    if way == "in batches":
        said["integrations"]["Segment.io"]["deliveryStrategy"] = {"strategy": "batching", "config": {"size": 5}}
    context = chromium.new_context(timezone_id="Europe/Berlin", locale="de-DE")
    page = context.new_page()
    asked: list[str] = []
    statuses: list[tuple[str, int]] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("response", lambda response: statuses.append((response.url, response.status)))
    try:
        page.goto(origin)
        page.wait_for_selector("[data-ready=yes]", state="attached")
        anonymous_id = page.evaluate(SEND)
        page.goto("about:blank")  # what is still in the SDK's hands is sent as a beacon
        _wait_for_events(page, 11)
    finally:
        context.close()
    ada = Profile.objects.get(external_id="ada")
    assert (ada.attributes["plan"], ada.attributes["group_id"]) == ("pro", "acme")
    assert (ada.zone, ada.locale) == ("Europe/Berlin", "de-DE")
    assert set(Identifier.objects.filter(profile=ada).values_list("value", flat=True)) == {
        "ada",
        anonymous_id,
        "old-visitor",
    }
    events = Event.objects.filter(profile=ada)
    assert sorted(events.filter(name="Product Added").values_list("properties__number", flat=True)) == list(range(8))
    assert events.filter(name="Product Viewed", properties__sku="s-1").count() == 1
    assert events.get(kind="page").properties["shelf"] == 3
    assert events.get(kind="page").context["page"]["url"].startswith(origin)
    assert events.get(kind="screen").properties["name"] == "Cart"
    assert Event.objects.count() == 11
    ours = [(url, status) for url, status in statuses if url.startswith(live_server.url)]
    assert ours
    assert all(status in (200, 204) for _, status in ours)
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {host, origin.removeprefix("http://")}


def _wait_for_events(page, count: int) -> None:
    for _ in range(100):
        if Event.objects.count() >= count:
            return
        page.wait_for_timeout(100)
