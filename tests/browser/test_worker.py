"""heed-sw.js in a real Chromium, imported by the one-line file of a foreign site, in front of a real Heed.

Pushes come through the developer tools' protocol, as a push service would bring them. A headless browser shows no
notification that one could click, so clicks and closes are events that the test sends into the worker; Firefox's
test clicks for real.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page, Worker

from audiences.models import Device
from delivery.models import Push
from delivery.payload import new_push_ids, payload
from tests import make
from tests.browser.sites import Site, until
from tests.gateways.webpush import p256dh

pytestmark = pytest.mark.django_db(transaction=True)

SHOWN = """async () => (await (await navigator.serviceWorker.ready).getNotifications()).map(
  ({ title, body, tag, actions, data }) => ({ title, body, tag, actions, data }))"""
# Chromium's getNotifications() takes back a notification that is just being shown: it is asked only afterwards.
COUNT = """() => {
  const show = self.registration.showNotification.bind(self.registration);
  self.shown = 0;
  self.registration.showNotification = async (...said) => { await show(...said); self.shown += 1; };
}"""
# What a browser does at a click or a close. `opened` is what would have become a window: headless there is none.
ACT = """async ([kind, action]) => {
  self.opened = self.opened || [];
  self.clients.openWindow = async (link) => { self.opened.push(link); return null; };
  for (const notification of await self.registration.getNotifications()) {
    self.dispatchEvent(new NotificationEvent(kind, { notification, action }));
  }
  return self.opened;
}"""
KEPT = """(shelf) => new Promise((resolve) => {
  const opening = indexedDB.open("heed", 1);
  opening.onupgradeneeded = () => opening.transaction.abort();
  opening.onerror = () => resolve(0);
  opening.onsuccess = () => {
    const counting = opening.result.transaction(shelf).objectStore(shelf).count();
    counting.onsuccess = () => { opening.result.close(); resolve(counting.result); };
  };
})"""
AUTH = "MDEyMzQ1Njc4OWFiY2RlZg"


class Pushed:
    """A page whose worker gets pushes."""

    def __init__(self, context: BrowserContext, origin: str, path: str = "/") -> None:
        self.origin = origin
        self.page: Page = context.new_page()
        self.page.goto(origin + path)
        self.tools: CDPSession = context.new_cdp_session(self.page)
        found: list[str] = []
        self.tools.on(
            "ServiceWorker.workerRegistrationUpdated",
            lambda said: found.extend(one["registrationId"] for one in said["registrations"]),
        )
        self.tools.send("ServiceWorker.enable")
        self.page.evaluate(
            """async () => {
              const url = window.trustedTypes.createPolicy("test", { createScriptURL: (x) => x });
              await navigator.serviceWorker.register(url.createScriptURL("/heed-sw.js"));
              await navigator.serviceWorker.ready;
            }"""
        )
        self.registration = until(lambda: found, page=self.page)[0]
        self.worker: Worker = until(lambda: context.service_workers, page=self.page)[0]
        self.worker.evaluate(COUNT)

    def deliver(self, said: Any) -> list[dict[str, Any]]:
        """Push it (a dict becomes JSON); the notifications that are shown then."""
        data = said if isinstance(said, str) else json.dumps(said)
        before = self.worker.evaluate("() => self.shown")
        self.tools.send(
            "ServiceWorker.deliverPushMessage",
            {"origin": self.origin, "registrationId": self.registration, "data": data},
        )
        until(lambda: self.worker.evaluate("() => self.shown") > before, page=self.page)
        return self.shown()

    def shown(self) -> list[dict[str, Any]]:
        return self.page.evaluate(SHOWN)

    def kept(self, shelf: str) -> int:
        """How many things the worker keeps on this shelf of its database."""
        return self.worker.evaluate(KEPT, shelf)

    def act(self, kind: str, action: str = "") -> list[str]:
        """Click ("notificationclick") or close every notification; the links opened so far."""
        return self.worker.evaluate(ACT, [kind, action])


@pytest.fixture
def pushed(chromium: Any, site: Site, redis_server: Any) -> Any:
    context = chromium.new_context(base_url=site.origin)
    context.grant_permissions(["notifications"], origin=site.origin)
    yield Pushed(context, site.origin)
    context.close()


@pytest.fixture
def push(now: Any) -> Callable[..., dict[str, Any]]:
    """Makes a push that was really recorded as sent, and its payload."""

    def made(**fields: Any) -> dict[str, Any]:
        person, wave, push_id = make.profile(), make.wave(), next(new_push_ids(1))
        Push.objects.create(
            id=push_id,
            wave_on=wave.wave_on,
            wave_id=wave.pk,
            message_id=make.message(wave, person).pk,
            device_id=make.device(person).pk,
            profile_id=person.pk,
            attempt=1,
            state="sent",
            intent_at=now,
        )
        content = {"title": "Your mug waits", "body": "It is still in the cart.", **fields}
        return payload(content, push_id=push_id, wave_on=wave.wave_on, profile_id=person.pk, now=now)

    return made


def told(said: dict[str, Any]) -> dict[str, bool]:
    push = Push.objects.get(pk=said["push"])
    return {kind: getattr(push, f"{kind}_at") is not None for kind in ("shown", "clicked", "dismissed")}


def test_a_push_is_shown_whole_and_told(pushed, push, door):
    said = push(tag="cart", actions=[{"action": "button-1", "title": "To the cart", "url": "/cart"}], data={"sku": 7})
    (shown,) = pushed.deliver(said)

    assert (shown["title"], shown["body"], shown["tag"]) == ("Your mug waits", "It is still in the cart.", "cart")
    assert [button["title"] for button in shown["actions"]] == ["To the cart", "Preferences"]
    assert shown["data"]["sku"] == 7
    until(lambda: told(said)["shown"], page=pushed.page)
    assert told(said) == {"shown": True, "clicked": False, "dismissed": False}


def test_pictures_are_fetched(pushed, push, site):
    pushed.deliver(push(icon=f"{site.origin}/icon.png", image=f"{site.origin}/image.png"))
    until(lambda: {"/icon.png", "/image.png"} <= set(site.visited), page=pushed.page)


def test_pages_of_heed_itself_use_the_worker_as_it_is(chromium, door, site, push, redis_server):
    context = chromium.new_context()
    context.grant_permissions(["notifications"], origin=door.origin)
    pushed = Pushed(context, door.origin, "/healthz")
    said = push(icon=f"{door.origin}/icon.png", url="/shop/")
    pushed.deliver(said)
    until(lambda: told(said)["shown"], page=pushed.page)
    until(lambda: "/icon.png" in door.fetched, page=pushed.page)
    assert pushed.act("notificationclick") == [f"{door.origin}/shop/"]
    context.close()


def test_two_buttons_of_the_message_leave_no_room_for_another(pushed, push):
    buttons = [{"action": f"button-{n}", "title": f"Button {n}", "url": "/"} for n in (1, 2)]
    (shown,) = pushed.deliver(push(actions=buttons))
    assert [button["title"] for button in shown["actions"]] == ["Button 1", "Button 2"]


def test_a_later_push_with_the_same_tag_replaces_the_first(pushed, push):
    pushed.deliver(push(tag="cart"))
    assert len(pushed.deliver(push(tag="cart", title="Two mugs wait"))) == 1
    assert len(pushed.deliver(push(tag="other"))) == 2


@pytest.mark.parametrize(
    "bad",
    ["", "no JSON", "null", "[1]", '{"title": {}}', '{"v": 1, "title": "", "body": null, "actions": "x", "data": 3}'],
)
def test_every_push_shows_something(pushed, bad):
    (shown,) = pushed.deliver(bad)
    assert shown["title"] == "127.0.0.1"
    assert shown["body"] == "There is something new for you."


def test_odd_fields_do_not_lose_the_message(pushed, push, door):
    said = push(
        icon="http://[", image="javascript:alert(1)", dir="sideways", actions=[None, {"title": ""}, {"title": "Go"}]
    )
    (shown,) = pushed.deliver(said)
    assert (shown["title"], shown["body"]) == ("Your mug waits", "It is still in the cart.")
    until(lambda: told(said)["shown"], page=pushed.page)


def test_a_click_opens_the_link_and_is_no_dismissal(pushed, push, door, site):
    said = push(url=f"{site.origin}/cart?from=push")
    pushed.deliver(said)
    assert pushed.act("notificationclick") == [f"{site.origin}/cart?from=push"]
    until(lambda: told(said)["clicked"], page=pushed.page)
    assert pushed.shown() == []


def test_a_close_is_a_dismissal_only_if_no_click_came_with_it(pushed, push, door):
    clicked, closed = push(), push()
    pushed.deliver(clicked)
    # Firefox sends both, in either order.
    pushed.worker.evaluate(
        """async () => {
          self.clients.openWindow = async () => null;
          const [notification] = await self.registration.getNotifications();
          for (const kind of ["notificationclose", "notificationclick", "notificationclose"]) {
            self.dispatchEvent(new NotificationEvent(kind, { notification }));
          }
        }"""
    )
    pushed.deliver(closed)
    pushed.act("notificationclose")
    until(lambda: told(closed)["dismissed"], page=pushed.page)
    kinds = [kind for push_id, kind in door.receipts() if push_id == clicked["push"]]
    assert sorted(kinds) == ["clicked", "shown"]
    assert told(clicked) == {"shown": True, "clicked": True, "dismissed": False}


def test_a_button_opens_its_own_link(pushed, push, site, door):
    said = push(url="/", actions=[{"action": "button-1", "title": "Pay", "url": "/checkout"}])
    pushed.deliver(said)
    assert pushed.act("notificationclick", "button-1") == [f"{site.origin}/checkout"]
    until(lambda: told(said)["clicked"], page=pushed.page)


def test_the_preferences_button_opens_the_persons_choices_and_is_no_click(pushed, push, door):
    said = push()
    pushed.deliver(said)
    assert pushed.act("notificationclick", "heed:manage") == [said["manage"]]
    pushed.page.wait_for_timeout(1200)
    assert told(said) == {"shown": True, "clicked": False, "dismissed": False}


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/",
        "//evil.example/",
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "http://127.0.0.1:1/",
        "http://me:word@127.0.0.1/",
        "\\\\evil.example",
        "http://[",
        "",
    ],
)
def test_a_link_that_leads_elsewhere_is_not_opened(pushed, push, site, link):
    pushed.deliver(push(url=link, actions=[{"action": "button-1", "title": "Go", "url": link}]))
    start = f"{site.origin}/"
    assert pushed.act("notificationclick") == [start]
    pushed.deliver(push(url=link, actions=[{"action": "button-1", "title": "Go", "url": link}]))
    assert pushed.act("notificationclick", "button-1") == [start, start]


def test_a_site_may_name_further_origins(chromium, site, push, redis_server):
    site.worker = f'self.heedOpens = ["https://pay.example"]; importScripts("{site.host}/heed-sw.js")'
    context = chromium.new_context(base_url=site.origin)
    context.grant_permissions(["notifications"], origin=site.origin)
    pushed = Pushed(context, site.origin)
    pushed.deliver(push(url="https://pay.example/now"))
    assert pushed.act("notificationclick") == ["https://pay.example/now"]
    context.close()


def test_a_receipt_that_failed_once_is_sent_again(pushed, push, door):
    door.shut["/v1/receipts"] = 1
    said = push()
    pushed.deliver(said)
    until(lambda: told(said)["shown"], page=pushed.page)
    assert door.refused == ["/v1/receipts"]


def test_receipts_that_failed_twice_come_with_the_next_event(pushed, push, door):
    door.shut["/v1/receipts"] = 2
    first, second = push(), push()
    pushed.deliver(first)
    until(lambda: pushed.kept("receipts"), page=pushed.page)
    assert len(door.refused) == 2
    pushed.deliver(second)
    until(lambda: told(second)["shown"], page=pushed.page)
    assert told(first)["shown"]
    assert door.receipts() == [(first["push"], "shown"), (second["push"], "shown")]
    pushed.act("notificationclose")
    until(lambda: told(second)["dismissed"], page=pushed.page)
    assert door.receipts().count((first["push"], "shown")) == 1


def test_notifications_of_the_site_itself_are_left_alone(pushed, door):
    pushed.worker.evaluate("() => self.registration.showNotification('Its own', { data: { theirs: true } })")
    assert pushed.act("notificationclick") == []
    assert len(pushed.shown()) == 1


CHANGE = """async (keys) => {
  const event = new ExtendableEvent("pushsubscriptionchange");
  const address = "https://fcm.googleapis.com/fcm/send/fresh";
  event.newSubscription = { endpoint: address, toJSON: () => ({ endpoint: address, keys }) };
  self.dispatchEvent(event);
}"""


KEYS = {"p256dh": p256dh(1), "auth": AUTH}
OLD, FRESH = (f"https://fcm.googleapis.com/fcm/send/{name}" for name in ("old", "fresh"))


def registered(pushed, door):
    """A device that the page has registered, and the worker knows; then the page is gone."""
    make.source("browser", key="browser-key")
    known = {
        "writeKey": "browser-key",
        "anonymousId": "visitor",
        "device": {"id": str(uuid.uuid4()), "gateway": "webpush", "address": OLD, "keys": KEYS}
        | {"permission": "granted", "applicationServerKey": "BA"},
    }
    pushed.page.evaluate(
        """async (said) => {
          const answer = await fetch(said.host + "/v1/devices", { method: "POST", body: JSON.stringify(said.known) });
          if (!answer.ok) throw new Error(await answer.text());
          (await navigator.serviceWorker.ready).active.postMessage({ heed: said.known });
        }""",
        {"known": known, "host": door.origin},
    )
    until(lambda: pushed.kept("device"), page=pushed.page)
    pushed.page.goto("about:blank")
    return Device.objects.get(key=known["device"]["id"])


def test_a_subscription_that_the_browser_changed_moves_the_device_with_every_page_closed(pushed, push, door):
    before = registered(pushed, door)
    pushed.worker.evaluate(CHANGE, KEYS)
    until(lambda: len(door.to("/v1/devices")) == 2, page=pushed.page)
    assert door.to("/v1/devices")[1]["previousAddress"] == OLD
    until(lambda: Device.objects.get(pk=before.pk).address == FRESH, page=pushed.page)
    assert Device.objects.count() == 1


def test_a_change_that_could_not_be_told_is_told_when_the_browser_is_online_again(pushed, push, door):
    before = registered(pushed, door)
    door.shut["/v1/devices"] = 2
    pushed.worker.evaluate(CHANGE, KEYS)
    until(lambda: door.refused == ["/v1/devices"] * 2, page=pushed.page)
    assert Device.objects.get(pk=before.pk).address == OLD
    pushed.worker.evaluate("() => self.dispatchEvent(new SyncEvent('sync', { tag: 'heed' }))")
    until(lambda: Device.objects.get(pk=before.pk).address == FRESH, page=pushed.page)
    pushed.worker.evaluate("() => self.dispatchEvent(new SyncEvent('sync', { tag: 'heed' }))")
    pushed.page.wait_for_timeout(300)
    assert len(door.to("/v1/devices")) == 2


def test_a_permission_that_was_taken_away_is_told_with_every_page_closed(pushed, push, door):
    before = registered(pushed, door)
    pushed.worker.evaluate(
        """() => {
          Object.defineProperty(Notification, "permission", { get: () => "denied" });
          self.registration.pushManager.subscribe = () => Promise.reject(new Error("denied"));
          self.dispatchEvent(new ExtendableEvent("pushsubscriptionchange"));
        }"""
    )
    until(lambda: Device.objects.get(pk=before.pk).permission == "denied", page=pushed.page)
    assert Device.objects.get(pk=before.pk).permission_lost_at


def test_a_worker_that_knows_no_device_registers_none(pushed, push, door):
    pushed.worker.evaluate(CHANGE, {"p256dh": p256dh(1), "auth": AUTH})
    pushed.page.wait_for_timeout(500)
    assert door.to("/v1/devices") == []
