"""The console in a real browser: hostile data stays text, the policy is kept, and every page can be looked at."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from audiences.consent import NewChoice, record
from audiences.models import Device, EventName
from campaigns.models import Campaign
from delivery import tally
from delivery.models import Cap, Hold, Loss, Message, Push
from tests import make
from tests.browser.sites import until

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "</script><script>alert(1)</script>",
    "{{ 7*7 }}{% debug %}",
    "javascript:alert(1)",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    '" x-data="alert(1)" x-init="alert(1)',
    "<div x-init=alert(1)></div>",
    "<a href=javascript:alert(1) autofocus onfocus=alert(1)>x</a>",
    "<b hx-on:load=alert(1) hx-get=/console/>",
    "</title><script>alert(1)</script>",
    "\u202e<script>alert(1)</script>",
    "`${alert(1)}`",
)


def seed(words: list[str]) -> dict[str, int]:
    """A site whose every text comes from `words`, in turn."""
    now = dt.datetime.now(dt.UTC)
    count = iter(range(10_000))

    def say(limit: int = 60) -> str:
        return (words[next(count) % len(words)] + f" {next(count)}")[:limit]

    people = [
        make.profile(
            say(),
            attributes={"first_name": say(), "name": say(), "email": say(), say(): say()},
            simulated=number % 2 == 0,
            last_seen_at=now,
        )
        for number in range(len(HOSTILE))
    ]
    topic = make.topic("price-drops", name=say(), description=say())
    for person in people[:3]:
        make.device(person, browser=say(30), os=say(30))
        event = make.event(person, say(), at=now)
        event.properties = {say(): say()}
        event.save()
        record([NewChoice(profile_id=person.pk, topic_id=topic.pk, decision="out", source=say(40))], now=now)
    EventName.objects.create(name=say(), first_seen_at=now, last_seen_at=now)
    segment = make.segment({"everyone": True}, say())
    draft = make.campaign(name=say(), topic=topic, goal_event=say())
    draft.included.add(segment)
    draft.template.name = say()
    draft.template.title = say()
    draft.template.save()
    running = make.campaign(
        name=say(), topic=topic, goal_event=say(), control_reason=say(), state=Campaign.State.RUNNING, scheduled_at=now
    )
    running.included.add(segment)
    wave = make.wave(origin=running.origin, wave_on=now.date(), due_at=now, created_at=now, simulated=True)
    states = [Message.State.SENT, Message.State.SUPPRESSED, Message.State.QUEUED, Message.State.HELD_OUT]
    for number, person in enumerate(people):
        state = states[number % 4]
        reason = {"suppressed": "frequency_cap", "held_out": "control"}.get(state, "")
        message = make.message(
            wave,
            person,
            state=state,
            reason=reason if number else say(40),
            planned_at=now,
            decided_at=now,
            verdicts=[
                {"gate": "device", "allowed": True, "reason": "", "values": {"devices": 1}, "frees_at": None},
                {"gate": say(), "allowed": True, "reason": say(), "values": {say(): say()}, "frees_at": say()},
                {
                    "gate": "frequency_cap",
                    "allowed": False,
                    "reason": "frequency_cap",
                    "values": {"seen": 7, "cap": 5, "hours": 168},
                    "frees_at": "2026-11-24T18:40:00+00:00",
                },
            ],
        )
        if number < 3:
            Push.objects.create(
                wave_on=wave.wave_on,
                wave=wave,
                message=message,
                profile=person,
                device=person.devices.first(),
                send_key="wave",
                intent_at=now,
                state="sent",
                status=say(50),
                shown_at=now,
                content={"title": say(), "body": say()},
            )
    tally.recount([wave])
    paused = make.campaign(name=say(), topic=topic, state=Campaign.State.PAUSED, scheduled_at=now)
    make.wave(origin=paused.origin, state="paused", state_reason=say(), wave_on=now.date())
    finished = make.campaign(name=say(), topic=topic, state=Campaign.State.FINISHED, scheduled_at=now, finished_at=now)
    make.wave(origin=finished.origin, state="finished", wave_on=now.date())
    credential = make.credential(name=say(), subject="mailto:push@shop.example.net")
    Hold.objects.create(credential=credential, origin="", reason="credential_paused", detail=say(), since=now)
    Hold.objects.create(
        credential=credential, origin="https://push.example.net", reason=say(40), detail=say(), since=now
    )
    Hold.objects.create(
        credential=credential, origin="https://dead.example.net", reason="mass_drop", detail=say(), since=now
    )
    Loss.objects.create(credential=credential, origin="https://dead.example.net", count=400, since=now)
    dead = make.device(people[4], address=f"https://dead.example.net/{say()}", browser=say(30))
    Device.objects.filter(pk=dead.pk).update(quarantined_at=now, quarantine_reason=say(40))
    source = make.source("browser")
    source.name = say()
    source.save()
    cap = Cap.objects.create(limit=5, hours=168, topic=topic)
    return {
        "profile": people[0].pk,
        "draft": draft.pk,
        "running": running.pk,
        "paused": paused.pk,
        "finished": finished.pk,
        "topic": topic.pk,
        "credential": credential.pk,
        "source": source.pk,
        "cap": cap.pk,
    }


def addresses(made: dict[str, int]) -> dict[str, str]:
    def at(name: str, *args: object) -> str:
        return reverse(f"console:{name}", args=args)

    return {
        "home": at("index"),
        "campaigns": at("campaigns_campaign_changelist"),
        "campaign-new": at("campaigns_campaign_add"),
        "campaign-draft": at("campaigns_campaign_change", made["draft"]),
        "campaign-launch": at("campaign_launch", made["draft"]),
        "campaign-running": at("campaigns_campaign_change", made["running"]),
        "campaign-paused": at("campaigns_campaign_change", made["paused"]),
        "campaign-stop": at("campaign_deed", made["running"], "stop"),
        "campaign-people": at("campaign_people", made["running"]),
        "reports": at("reports"),
        "report": at("campaign_report", made["running"]),
        "templates": at("campaigns_messagetemplate_changelist"),
        "segments": at("audiences_segment_changelist"),
        "profiles": at("audiences_profile_changelist"),
        "profile": at("audiences_profile_change", made["profile"]),
        "topics": at("audiences_topic_changelist"),
        "topic": at("audiences_topic_change", made["topic"]),
        "cap-delete": at("delivery_cap_delete", made["cap"]),
        "sources": at("audiences_source_changelist"),
        "source-new": at("audiences_source_add"),
        "source": at("audiences_source_change", made["source"]),
        "rules": at("delivery_sendingrules_change", 1),
        "caps": at("delivery_cap_changelist"),
        "cap": at("delivery_cap_change", made["cap"]),
        "source-proof": at("source_proof", made["source"]),
        "credentials": at("delivery_credential_changelist"),
        "credential-resume": at("credential_resume", made["credential"]),
        "credential": at("delivery_credential_change", made["credential"]),
        "credential-choose": at("credential_choose"),
        "credential-new-web": at("credential_new", "webpush"),
        "credential-new-android": at("credential_new", "fcm"),
        "credential-new-apple": at("credential_new", "apns"),
        "credential-test": at("credential_test", made["credential"]),
        "credential-devices": at("credential_devices", made["credential"]),
        "team": at("auth_user_changelist"),
        "member-new": at("auth_user_add"),
        "password": at("password_change"),
    }


class Watched:
    """A page with everything that must not happen on it."""

    def __init__(self, context: BrowserContext, own: str) -> None:
        self.page: Page = context.new_page()
        self.troubles: list[str] = []
        self.page.on("dialog", self._dialog)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("request", lambda request: self._request(request.url, own))
        self.page.on("response", lambda response: self._response(response.status, response.url))

    def _dialog(self, dialog: Any) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.troubles.append(f"console: {message.text}")

    def _request(self, url: str, own: str) -> None:
        if not url.startswith((own, "data:", "blob:")):
            self.troubles.append(f"foreign: {url}")

    def _response(self, status: int, url: str) -> None:
        if status >= 400:
            self.troubles.append(f"{status}: {url}")


def test_hostile_data_stays_text_on_every_page(signed_in: Callable[..., BrowserContext], live_server: Any) -> None:
    watched = Watched(signed_in(), live_server.url)
    found = {}
    for name, where in addresses(seed(list(HOSTILE))).items():
        watched.troubles.clear()
        watched.page.goto(where)
        watched.page.wait_for_load_state("networkidle")
        injected = watched.page.locator(
            "iframe, img[onerror], svg[onload], [onfocus], [srcdoc], [hx-on\\:load]"
        ).count()
        if watched.troubles or injected:
            found[name] = [*watched.troubles, f"{injected} injected elements"]
    assert not found


def test_the_watch_sees_what_it_watches_for(signed_in: Callable[..., BrowserContext], live_server: Any) -> None:
    watched = Watched(signed_in(), live_server.url)
    watched.page.goto("/console/settings/topics/")
    watched.page.evaluate("setTimeout(() => alert('seen'))")
    until(lambda: any("dialog: seen" in trouble for trouble in watched.troubles), page=watched.page)
    watched.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=alert(1)>')")
    until(lambda: any("Content Security Policy" in trouble for trouble in watched.troubles), page=watched.page)


ORDINARY = ["Blue mug", "Ada Byron", "Win back", "Summer sale, last days", "price-drops", "Order Completed", "Zoë"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 800])
def test_no_page_is_wider_than_the_screen(
    signed_in: Callable[..., BrowserContext],
    live_server: Any,
    picture: Callable[[str], Path],
    scheme: str,
    width: int,
) -> None:
    context = signed_in(viewport={"width": width, "height": 900}, color_scheme=scheme)
    watched = Watched(context, live_server.url)
    too_wide = []
    for name, where in addresses(seed(ORDINARY)).items():
        watched.page.goto(where)
        watched.page.wait_for_load_state("networkidle")
        watched.page.screenshot(path=picture(f"console-{name}-{scheme}-{width}"), full_page=True)
        if watched.page.evaluate("document.documentElement.scrollWidth") > width:
            too_wide.append(name)
    watched.page.context.clear_cookies()
    watched.page.goto("/console/login/")
    watched.page.screenshot(path=picture(f"console-login-{scheme}-{width}"))
    assert not too_wide
    assert not watched.troubles


def test_a_marketer_makes_a_campaign_sees_what_it_will_do_and_launches_it(
    signed_in: Callable[..., BrowserContext], live_server: Any
) -> None:
    for _ in range(30):
        make.device(make.profile())
    make.credential()
    make.topic("offers", name="Offers")
    template = make.version().template
    make.segment({"everyone": True}, "Everybody")
    now = dt.datetime.now(dt.UTC)
    EventName.objects.create(name="Order Completed", first_seen_at=now, last_seen_at=now)
    watched = Watched(signed_in(), live_server.url)
    page = watched.page
    page.goto("/console/")
    page.get_by_role("link", name="New campaign").click()
    beside = page.locator("#summary")
    expect(beside).to_contain_text("Choose a segment, and the count appears here")
    page.get_by_label("Name", exact=True).fill("Spring")
    page.get_by_role("group", name="Send to anyone in").get_by_label("Everybody").check()
    expect(beside).to_contain_text("Goes to about 27 people")
    page.get_by_label("Template").select_option(label=template.name)
    page.get_by_label("Topic").select_option(label="Offers")
    expect(beside).to_contain_text("Name the event that you hope for")
    page.get_by_label("What you hope they will do").fill("Order Completed")
    expect(beside).to_contain_text("Ready to launch")
    reason = page.get_by_label("Why nobody is left alone")
    expect(reason).to_be_hidden()
    page.get_by_label("Left alone, in percent").fill("0")
    expect(reason).to_be_visible()
    expect(beside).to_contain_text("say why there is none")
    page.get_by_label("Left alone, in percent").fill("10")
    when = page.get_by_label("Day", exact=True)
    expect(when).to_be_hidden()
    page.get_by_label("At a time").check()
    expect(when).to_be_visible()
    page.get_by_label("As soon as I launch it").check()
    page.get_by_role("button", name="Save and launch").click()
    expect(page.locator("body")).to_contain_text("Goes to about 27 people")
    page.get_by_role("button", name="Launch now").click()
    expect(page.locator("body")).to_contain_text("It waits for its time")
    assert Campaign.objects.get().state == "scheduled"
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Type to search").last.press_sequentially("spring")
    expect(page.locator("#command-results-list")).to_contain_text("Spring")
    assert not watched.troubles
