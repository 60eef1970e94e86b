"""heed.js in a real Chromium, on a foreign site with a strict policy, in front of a real Heed.

Chromium's push service is out of reach of tests: the browser's own way to it (PushManager) is replaced, nothing else.
"""

from __future__ import annotations

import gzip
import json
import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from audiences.models import ConsentEntry, Device, Event, Profile
from audiences.sources import identity_hash
from console.webpush.views import FOLDER
from delivery.models import SendingRules
from tests import make
from tests.browser.sites import Door, Site, until
from tests.gateways.webpush import p256dh

pytestmark = pytest.mark.django_db(transaction=True)

# A subscription as the browser gives it; the window's name outlives a reload, so that nothing else has to be stored.
BROWSER = """
const given = %s;
const kept = () => JSON.parse(window.name || "{}");
const keep = (more) => { window.name = JSON.stringify({ ...kept(), ...more }); };
const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
function subscription() {
  const { endpoint, key } = kept();
  return endpoint ? {
    endpoint,
    options: { applicationServerKey: bytes(key).buffer },
    toJSON: () => ({ endpoint, keys: given.keys }),
    unsubscribe: async () => { keep({ endpoint: undefined }); return true; },
  } : null;
}
PushManager.prototype.getSubscription = async () => subscription();
PushManager.prototype.subscribe = async ({ applicationServerKey }) => {
  const endpoint = given.origin + Math.random().toString(36).slice(2);
  keep({ endpoint, key: btoa(String.fromCharCode(...applicationServerKey)) });
  return subscription();
};
// The browser has not been asked before the page asks; then it allows.
const real = Object.getOwnPropertyDescriptor(Notification, "permission").get.bind(Notification);
Object.defineProperty(Notification, "permission", { get: () => kept().asked ? real() : "default", configurable: true });
const ask = Notification.requestPermission.bind(Notification);
Notification.requestPermission = () => {
  keep({ asked: navigator.userActivation.isActive ? "in a gesture" : "out of the blue" });
  return ask();
};
"""
ASKED = "() => JSON.parse(window.name || '{}').asked"
KEYS = {"p256dh": p256dh(1), "auth": "MDEyMzQ1Njc4OWFiY2RlZg"}
STORED = "() => [document.cookie, localStorage.length, sessionStorage.length]"


@pytest.fixture
def source(redis_server: Any) -> Any:
    SendingRules.objects.update_or_create(pk=1, defaults={"site_name": "Fjord & Fell"})
    return make.source("browser", key="browser-key")


@pytest.fixture
def credential(source: Any) -> Any:
    return make.credential()


@pytest.fixture
def visitor(chromium: Any, site: Site) -> Any:
    """A browser that allows notifications, with its push service at hand."""
    context = chromium.new_context(base_url=site.origin)
    context.grant_permissions(["notifications"], origin=site.origin)
    given = {"keys": KEYS, "origin": "https://fcm.googleapis.com/fcm/send/"}
    context.add_init_script("{%s}" % (BROWSER % json.dumps(given)))
    yield context
    context.close()


def opened(context: BrowserContext, path: str = "/") -> Page:
    page = context.new_page()
    page.goto(path)
    page.wait_for_function("() => window.heed && window.heed.version")
    return page


def subscribed(page: Page, door: Door) -> dict[str, Any]:
    """Says yes to the soft prompt; what was registered."""
    before = len(door.to("/v1/devices"))
    page.evaluate("() => { heed.prompt() }")
    page.get_by_role("button", name="Yes, please").click()
    until(lambda: len(door.to("/v1/devices")) > before, page=page)
    page.wait_for_function("() => heed.isSubscribed")
    return door.to("/v1/devices")[-1]


def test_loading_the_script_stores_and_sends_nothing(visitor, site, source, credential, door):
    page = opened(visitor)
    page.wait_for_timeout(600)

    assert page.evaluate(STORED) == ["", 0, 0]
    assert visitor.cookies() == []
    assert door.passed == []


def test_events_before_consent_are_sent_and_nothing_is_stored(visitor, site, source, credential, door):
    page = opened(visitor)
    page.evaluate("() => { heed.page('Home'); heed.track('Product Viewed', { sku: 's-1', price: 12.5 }); }")
    until(lambda: len(door.calls()) == 2, page=page)

    assert page.evaluate(STORED) == ["", 0, 0]
    viewed = Event.objects.get(name="Product Viewed")
    assert viewed.properties == {"sku": "s-1", "price": 12.5}
    first = door.calls()[0]["anonymousId"]
    page.evaluate("() => heed.consent()")
    page.reload()
    page.evaluate("() => heed.track('Product Added')")
    until(lambda: len(door.calls()) == 3, page=page)
    assert door.calls()[2]["anonymousId"] == first
    assert Event.objects.get(name="Product Added").profile_id == viewed.profile_id


def test_what_was_called_right_before_leaving_arrives(visitor, site, source, door):
    page = opened(visitor)
    page.evaluate("() => { heed.track('Left'); location.href = '/elsewhere'; }")
    until(lambda: door.calls("track"), page=page)
    assert Event.objects.get().name == "Left"


def test_calls_made_before_the_script_came_are_kept(visitor, site, source, door):
    visitor.add_init_script("window.heed = [['track', 'Early', { at: 1 }]]")
    page = opened(visitor)
    until(lambda: door.calls("track"), page=page)
    assert Event.objects.get().name == "Early"


def test_events_wait_while_heed_is_away_and_are_stored_once(visitor, site, source, door):
    door.shut["/v1/batch"] = 1
    page = opened(visitor)
    page.evaluate("() => { heed.track('Patient') }")
    until(lambda: door.calls(), page=page)
    assert door.refused == ["/v1/batch"]
    assert Event.objects.filter(name="Patient").count() == 1


def test_saying_yes_registers_the_device_with_the_words_that_were_shown(visitor, site, source, credential, door):
    page = opened(visitor)
    said = subscribed(page, door)

    assert page.evaluate(ASKED) == "in a gesture"
    device = Device.objects.get()
    assert (device.p256dh, device.auth) == (KEYS["p256dh"], KEYS["auth"])
    assert (device.key, device.permission, device.sender_key) == (
        said["device"]["id"],
        "granted",
        credential.public_key,
    )
    assert (device.platform, device.browser) == ("web", "Chrome")
    assert device.zone == page.evaluate("() => Intl.DateTimeFormat().resolvedOptions().timeZone")
    entry = ConsentEntry.objects.get()
    assert (entry.decision, entry.source) == ("in", "soft prompt")
    assert entry.text.startswith("Shall Fjord & Fell keep you posted?\n")
    assert entry.text_version == said["consent"]["version"] != ""
    assert page.evaluate("() => navigator.serviceWorker.getRegistration('/').then((one) => one.active.scriptURL)") == (
        f"{site.origin}/heed-sw.js"
    )


def test_not_now_asks_nobody_and_is_remembered_without_an_id(visitor, site, source, credential, door):
    site.tag["prompt"] = "after-pages:1"
    page = opened(visitor)
    page.get_by_role("button", name="Not now").click()

    assert page.evaluate(ASKED) is None
    assert list(json.loads(page.evaluate("() => localStorage.heed"))) == ["later"]
    page.reload()
    page.wait_for_timeout(500)
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert door.to("/v1/devices") == []
    page.evaluate("() => { heed.prompt() }")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_the_prompt_comes_after_as_many_pages_as_the_rule_says(visitor, site, source, credential):
    site.tag["prompt"] = "after-pages:2"
    page = opened(visitor)
    page.wait_for_timeout(400)
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto("/second")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_the_prompt_comes_after_the_event_that_the_rule_names(visitor, site, source, credential):
    site.tag["prompt"] = "event:Product Added"
    page = opened(visitor)
    page.evaluate("() => { heed.track('Product Viewed') }")
    page.wait_for_timeout(400)
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.evaluate("() => { heed.track('Product Added') }")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_the_prompt_comes_on_the_sites_own_button(visitor, site, source, credential):
    site.tag["prompt"] = "button:#news"
    page = opened(visitor)
    page.click("#news")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_the_prompt_can_be_used_by_keyboard_and_screen_reader(visitor, site, source, credential):
    page = opened(visitor)
    page.focus("#news")
    page.evaluate("() => { window.answer = heed.prompt() }")
    dialog = page.get_by_role("dialog", name="Shall Fjord & Fell keep you posted?")
    expect(dialog).to_be_focused()
    expect(dialog).to_have_accessible_description(re.compile("News that fits you"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Not now")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.locator("#news")).to_be_focused()
    assert page.evaluate("() => window.answer") == "later"


def test_the_prompt_does_not_take_the_cursor_from_who_is_writing(visitor, site, source, credential):
    page = opened(visitor)
    page.focus("#search")
    page.evaluate("() => { heed.prompt() }")
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.locator("#search")).to_be_focused()


def test_the_sites_own_words_are_shown_and_recorded(visitor, site, source, credential):
    site.tag |= {"title": "Neues von Fjord?", "allow": "Gern", "prompt-version": "de-1"}
    page = opened(visitor)
    page.evaluate("() => { heed.prompt() }")
    page.get_by_role("button", name="Gern").click()
    page.wait_for_function("() => heed.isSubscribed")
    entry = ConsentEntry.objects.get()
    assert entry.text.startswith("Neues von Fjord?\n")
    assert entry.text_version == "de-1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "width"), [("desktop", 1100), ("phone", 390)])
def test_the_prompt_fits_its_window(chromium, site, source, credential, picture, scheme, name, width):
    page = chromium.new_page(base_url=site.origin, color_scheme=scheme, viewport={"width": width, "height": 640})
    page.goto("/")
    # Headless, a browser has denied notifications from the start.
    page.evaluate(
        "() => Object.defineProperty(Notification, 'permission', { get: () => 'default', configurable: true })"
    )
    page.evaluate("() => { heed.prompt() }")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    dialog.evaluate("(card) => Promise.all(card.getAnimations().map((one) => one.finished)).then(() => null)")
    page.screenshot(path=picture(f"soft-prompt-{name}-{scheme}"))
    box = dialog.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= 640
    page.close()


def test_a_strict_policy_of_the_site_is_kept(visitor, site, source, credential, door):
    page = visitor.new_page()
    complaints: list[str] = []
    page.on("console", lambda one: complaints.append(one.text) if one.type in {"error", "warning"} else None)
    page.on("pageerror", lambda one: complaints.append(str(one)))
    page.goto("/")
    page.wait_for_function("() => window.heed && window.heed.version")
    subscribed(page, door)
    assert complaints == []


def test_a_fresh_device_is_not_registered_again(visitor, site, source, credential, door):
    page = opened(visitor)
    subscribed(page, door)
    page.reload()
    page.wait_for_timeout(800)
    assert len(door.to("/v1/devices")) == 1


def test_a_changed_subscription_is_registered_under_the_same_device(visitor, site, source, credential, door):
    page = opened(visitor)
    first = subscribed(page, door)
    page.evaluate("() => { window.name = JSON.stringify({ asked: 'earlier' }) }")
    page.reload()
    until(lambda: len(door.to("/v1/devices")) == 2, page=page)

    second = door.to("/v1/devices")[1]
    assert second["previousAddress"] == first["device"]["address"] != second["device"]["address"]
    assert Device.objects.get().address == second["device"]["address"]


def test_a_new_sender_key_subscribes_again(visitor, site, source, credential, door):
    page = opened(visitor)
    subscribed(page, door)
    newer = make.credential()
    visitor.clear_cookies()
    page.context.new_cdp_session(page).send("Network.clearBrowserCache")
    page.reload()
    until(lambda: len(door.to("/v1/devices")) == 2, page=page)
    until(lambda: Device.objects.get().sender_key == newer.public_key, page=page)
    assert Device.objects.count() == 1


def test_a_device_that_could_not_be_registered_is_registered_by_the_next_page(visitor, site, source, credential, door):
    door.shut["/v1/devices"] = 1
    page = opened(visitor)
    subscribed(page, door)
    assert door.refused == ["/v1/devices"]
    assert Device.objects.count() == 1


def test_signing_in_takes_the_device_along_only_with_proof(visitor, site, source, credential, door):
    ada = make.profile("ada", proven_at=make.NOW)
    page = opened(visitor)
    subscribed(page, door)

    page.evaluate("() => heed.identify('ada', { plan: 'pro' })")
    assert Device.objects.get().profile_id != ada.pk
    page.evaluate("(proof) => heed.identify('ada', { plan: 'pro' }, { userHash: proof })", identity_hash(source, "ada"))
    until(lambda: Device.objects.get().profile_id == ada.pk, page=page)
    assert Profile.objects.get(pk=ada.pk).attributes["plan"] == "pro"


def test_signing_out_detaches_the_device_until_somebody_signs_in(visitor, site, source, credential, door):
    page = opened(visitor)
    subscribed(page, door)
    page.evaluate("() => heed.identify('bea')")
    before = door.calls()[-1]["anonymousId"]

    page.evaluate("() => heed.reset()")
    assert Device.objects.get().detached_at is not None
    page.reload()
    page.evaluate("() => heed.track('Looked around')")
    until(lambda: door.calls("track"), page=page)
    assert Device.objects.get().detached_at is not None
    looked = door.calls("track")[0]
    assert looked["anonymousId"] != before
    assert "userId" not in looked

    page.evaluate("() => heed.identify('cleo')")
    until(lambda: Device.objects.get().detached_at is None, page=page)
    assert Device.objects.get().profile.external_id == "cleo"


def test_a_registration_that_waits_to_be_sent_again_does_not_undo_signing_out(visitor, site, source, credential, door):
    page = opened(visitor)
    subscribed(page, door)
    door.shut["/v1/devices"] = 1
    page.evaluate("() => { heed.identify('bea'); }")
    until(lambda: door.refused == ["/v1/devices"], page=page)
    page.evaluate("() => heed.reset()")
    assert Device.objects.get().detached_at is not None
    page.wait_for_timeout(3000)
    assert [path for path, _ in door.passed if path.startswith("/v1/devices")][-1] == "/v1/devices/detach"
    assert Device.objects.get().detached_at is not None


def test_signing_out_in_one_tab_signs_out_in_the_others(visitor, site, source, credential, door):
    page = opened(visitor)
    subscribed(page, door)
    page.evaluate("() => heed.identify('fay')")
    other = opened(visitor)
    other.evaluate("() => heed.track('Before')")
    other.evaluate("() => addEventListener('storage', ({ newValue }) => { window.isTold = !newValue.includes('fay') })")
    page.evaluate("() => heed.reset()")
    until(lambda: other.evaluate("() => window.isTold"), page=other)
    other.evaluate("() => { heed.track('After') }")
    until(lambda: len(door.calls("track")) == 2, page=other)
    before, after = door.calls("track")
    assert before["userId"] == "fay"
    assert "userId" not in after
    assert before["anonymousId"] != after["anonymousId"]


def test_two_people_at_one_browser_stay_two(visitor, site, source, credential, door):
    page = opened(visitor)
    page.evaluate("async () => { await heed.identify('dora'); await heed.identify('emil'); }")
    dora, emil = door.calls("identify")
    assert dora["anonymousId"] != emil["anonymousId"]
    assert Profile.objects.filter(external_id__in=["dora", "emil"], merged_into=None).count() == 2


def test_leaving_unsubscribes_in_the_browser_and_at_heed(visitor, site, source, credential, door):
    page = opened(visitor)
    said = subscribed(page, door)
    page.evaluate("() => heed.unsubscribe()")

    assert page.evaluate("() => navigator.serviceWorker.ready.then((one) => one.pushManager.getSubscription())") is None
    assert door.to("/v1/devices/detach")[0]["device"] == {
        "id": said["device"]["id"],
        "address": said["device"]["address"],
    }
    assert Device.objects.get().detached_at is not None
    page.evaluate("() => heed.subscribe()")
    device = Device.objects.get()
    assert device.detached_at is None
    decisions = ConsentEntry.objects.filter(profile=device.profile).values_list("decision", flat=True)
    assert list(decisions) == ["in", "in"]  # C10: who said yes again has said so


def test_a_permission_taken_away_is_told(visitor, site, source, credential, door):
    page = opened(visitor)
    subscribed(page, door)
    visitor.add_init_script(
        "Object.defineProperty(Notification, 'permission', { get: () => 'denied', configurable: true })"
    )
    page.reload()
    until(lambda: Device.objects.get().permission == "denied", page=page)
    assert page.evaluate("() => heed.prompt()") == "denied"


def test_without_a_credential_nobody_is_asked(visitor, site, source):
    page = opened(visitor)
    assert page.evaluate("() => heed.prompt()") == "unsupported"
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_script_is_smaller_than_10_kb():
    for name in ("heed.js", "heed-sw.js"):
        assert len(gzip.compress((FOLDER / name).read_bytes())) < 10_000
