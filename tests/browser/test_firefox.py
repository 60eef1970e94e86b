"""The whole way in a real Firefox: heed.js subscribes it at a push service that speaks its protocol, the worker's own
dispatch encrypts and sends, Firefox decrypts and shows, and a real click and a real close come back as receipts."""

from __future__ import annotations

from typing import Any

import pytest

from audiences.models import ConsentEntry, Device
from delivery.content import Rendered, register
from delivery.models import Push, SendingRules
from tests import make
from tests.browser.sites import until
from tests.delivery.sending import drain, planned, states

pytestmark = pytest.mark.django_db(transaction=True)


class Linked:
    """A message with a link to the site."""

    link = ""

    def render(self, wave: Any, batch: Any, *, now: Any) -> list[Rendered]:
        fields = {"title": "Your mug waits", "body": "It is still in the cart.", "url": self.link, "tag": f"w{wave.pk}"}
        return [Rendered(fields, 3600) for _ in batch]


linked = Linked()
register("linked", linked)


def test_firefox_subscribes_shows_a_push_and_tells_of_click_and_close(
    firefox, autopush, site, door, redis_server, real_now
):
    SendingRules.objects.create(pk=1, site_name="Fjord & Fell", quiet_from=None, quiet_until=None)
    make.source("browser", key="browser-key")
    credential = make.credential()
    site.tag["prompt"] = "button:#news"
    linked.link = f"{site.origin}/cart"

    firefox.go(f"{site.origin}/")
    until(lambda: firefox.page("return Boolean(window.heed)"))
    firefox.click("document.querySelector('#news')")
    until(lambda: firefox.page("return Boolean(document.querySelector('heed-prompt'))"))
    firefox.click("document.querySelector('heed-prompt').shadowRoot.querySelector('.yes')")
    until(Device.objects.exists, seconds=20)

    device = Device.objects.get()
    assert device.address.startswith(f"{autopush.origin}/push/")
    assert (device.browser, device.sender_key) == ("Firefox", credential.public_key)
    assert [key.rstrip("=") for key in autopush.keys.values()] == [credential.public_key]
    assert ConsentEntry.objects.get().text.startswith("Shall Fjord & Fell keep you posted?")

    first = planned([device.profile], now=real_now, content_source="linked")
    assert drain() == 1
    assert states(first) == {"sent": 1}
    push = Push.objects.get(wave=first)
    until(lambda: (str(push.pk), "shown") in door.receipts())
    assert [one["code"] for one in until(lambda: autopush.acks)] == [100]
    until(lambda: firefox.alerts() == 1)
    firefox.click_alert()
    until(lambda: "/cart" in site.visited)
    until(lambda: (str(push.pk), "clicked") in door.receipts())

    second = planned([device.profile], now=real_now, content_source="linked")
    drain()
    other = Push.objects.get(wave=second)
    until(lambda: (str(other.pk), "shown") in door.receipts())
    until(lambda: firefox.alerts() == 1)
    firefox.close_alert()
    until(lambda: (str(other.pk), "dismissed") in door.receipts())

    push.refresh_from_db()
    other.refresh_from_db()
    assert (bool(push.shown_at), bool(push.clicked_at), push.dismissed_at) == (True, True, None)
    assert (bool(other.shown_at), other.clicked_at, bool(other.dismissed_at)) == (True, None, True)
    assert (str(push.pk), "dismissed") not in door.receipts()
    assert site.visited.count("/cart") == 1
