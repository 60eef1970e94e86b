"""Loading the demo: a shop with its people, two months of their past, and a finished campaign whose truth is known.

THE TRUTH: of the people told in the finished campaign 2.5 in 100 bought within seven days who would not have, left alone. The report must find it inside its interval (docs/demo.md).
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
import socket
from random import Random
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction

from audiences import consent
from audiences.buckets import bucket
from audiences.models import Decision, Event, Profile, Segment, Topic
from audiences.names_seen import note
from audiences.partitions import ensure_months
from audiences.sources import create_source
from campaigns import launch, planner
from campaigns.models import Campaign, CatalogItem, MessageTemplate
from campaigns.publish import publish
from console.api.keys import create_key
from console.demo import facts_file
from console.demo.assortment import PRODUCTS, SHOP_NAME
from console.demo.behaviour import DAYS, Deed, history, order
from console.demo.people import SEED, Person, auth_secret, everyone, public_key
from delivery import tally
from delivery.credentials import keep, webpush_credential
from delivery.models import Cap, Credential, SendingRules, Wave

EFFECT = 0.025
CONTROL_PERCENT = 10
WEEK = dt.timedelta(days=7)
WENT_OUT_DAYS_AGO = 20


def load(*, now: dt.datetime, tell: Any) -> None:
    """Everything, in one transaction at its end; `tell` takes a line for the person who waits."""
    people = everyone()
    port = _free_port()
    gateway = f"http://127.0.0.1:{port}"
    _months(now)
    with transaction.atomic():
        tell(f"making {len(people):,} people with their devices")
        topics = _settings()
        ids = _profiles(people, gateway, now=now)
        tell(f"making {DAYS} days of their visits and orders")
        deeds = list(history(people, until=now))
        at = now - dt.timedelta(days=WENT_OUT_DAYS_AGO)
        buyers = {d.person for d in deeds if d.name == "Order Completed" and at <= d.at < at + WEEK}
        campaign = _finished_campaign(topics["offers"], at=at, salt=_fair_salt(people, ids, buyers))
        wave = Wave.objects.get(origin=campaign.origin)
        tell("making the campaign of three weeks ago, with its control")
        extra = _outcomes(wave, people, ids, buyers, now=now)
        _events([*deeds, *extra], ids)
        note([(d.name, d.properties) for d in deeds[:2000]], [p.attributes for p in people[:500]], now=now)
        _analyze()
        _live_campaign(topics["new"], now=now)
        _facts(gateway)


def refresh() -> None:
    """A demo that exists: its facts follow the site's address."""
    facts = facts_file.read()
    facts_file.write(facts | {"url": settings.HEED_BASE_URL, "shop": f"{settings.HEED_BASE_URL}/shop/"})


def _months(now: dt.datetime) -> None:
    days = [now.date() + dt.timedelta(days=n) for n in range(-DAYS - 5, 62, 7)]
    for table in ("audiences_event", "delivery_message", "delivery_push"):
        ensure_months(table, days)


def _settings() -> dict[str, Topic]:
    """Quiet hours are off, so that the first push comes at whatever hour someone tries the demo."""
    SendingRules.objects.update_or_create(
        pk=1,
        defaults={"site_name": SHOP_NAME, "default_zone": "Europe/Berlin", "quiet_from": None, "quiet_until": None},
    )
    Cap.objects.get_or_create(limit=4, hours=24)
    Cap.objects.get_or_create(limit=12, hours=168)
    for product in PRODUCTS:
        CatalogItem.objects.update_or_create(
            catalog="products",
            key=product.key,
            defaults={"name": product.name, "fields": product.properties, "updated_at": dt.datetime.now(dt.UTC)},
        )
    said = {
        "offers": ("Offers", "Sales and price drops, about once a week"),
        "cart": ("Cart reminders", "When you left something in your cart"),
        "new": ("New arrivals", "New things in the categories you look at, about twice a month"),
    }
    return {
        key: Topic.objects.get_or_create(key=key, defaults={"name": name, "description": text, "position": i})[0]
        for i, (key, (name, text)) in enumerate(said.items())
    }


def _copy(table: str, columns: str, rows: Any) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _profiles(people: tuple[Person, ...], gateway: str, *, now: dt.datetime) -> list[int]:
    """Profiles, identifiers, standings, devices and opt-outs. Returns the profile ids in the people's order."""
    joined = now - dt.timedelta(days=DAYS + 5)
    _copy(
        "audiences_profile",
        "external_id, attributes, locale, zone, created_at, last_seen_at, proven_at, simulated",
        ((p.external_id, json.dumps(p.attributes), p.locale, p.zone, joined, now, joined, True) for p in people),
    )
    found = dict(Profile.objects.filter(simulated=True).values_list("external_id", "pk"))
    ids = [found[p.external_id] for p in people]
    _copy("audiences_standing", "profile_id, epoch", ((pk, 0) for pk in ids))
    _copy(
        "audiences_identifier",
        "kind, value, profile_id",
        (("user", p.external_id, pk) for p, pk in zip(people, ids, strict=True)),
    )
    from base64 import urlsafe_b64encode

    _copy(
        "audiences_device",
        "public_id, profile_id, key, gateway, address, p256dh, auth, permission, platform, browser, os, app_version,"
        " locale, zone, created_at, registered_at, last_seen_at, quarantine_reason, simulated",
        (
            (
                uuid4(),
                pk,
                f"demo-{p.index}",
                "webpush",
                f"{gateway}/push/{p.index}",
                public_key(p.index),
                urlsafe_b64encode(auth_secret(p.index)).rstrip(b"=").decode(),
                p.permission,
                "web",
                p.browser,
                p.os,
                "",
                p.locale,
                p.zone,
                joined,
                joined,
                now,
                "",
                True,
            )
            for p, pk in zip(people, ids, strict=True)
            if p.has_device
        ),
    )
    consent.record(
        [
            consent.NewChoice(profile_id=pk, topic_id=None, decision=Decision.OUT, source="preference page")
            for p, pk in zip(people, ids, strict=True)
            if p.opted_out
        ],
        now=joined + dt.timedelta(days=2),
    )
    return ids


def _segment(name: str, text: str, rule: dict[str, Any]) -> Segment:
    return Segment.objects.get_or_create(name=name, defaults={"rule": rule, "description": text})[0]


def _is_reached(person: Person) -> bool:
    return person.has_device and person.permission == "granted" and not person.opted_out


def _fair_salt(people: tuple[Person, ...], ids: list[int], buyers: set[int]) -> str:
    """A draw whose two groups buy alike when left alone: a small control is often unlucky, and a demo that happens
    to be is no help to anyone. (In a real campaign nobody can choose so, nor should.)"""
    for number in range(1000):
        salt = f"autumn-offer-{number}"
        counts = {True: [0, 0], False: [0, 0]}
        for person, pk in zip(people, ids, strict=True):
            if _is_reached(person):
                arm = counts[bucket(salt, pk) < CONTROL_PERCENT * 100]
                arm[0] += 1
                arm[1] += person.index in buyers
        held, told = (counts[arm][1] / counts[arm][0] for arm in (True, False))
        if abs(held - told) < 0.002:
            return salt
    raise AssertionError("one draw in four is fair")


def _finished_campaign(topic: Topic, *, at: dt.datetime, salt: str) -> Campaign:
    """Planned by the same planner as any campaign, at a moment three weeks ago."""
    everyone_ = _segment("Everyone", "All profiles", {"everyone": True})
    _segment(
        "Bought in the last 30 days",
        "At least one order",
        {"event": "Order Completed", "count": {"op": ">=", "value": 1}, "window": {"last": "30d"}},
    )
    template = MessageTemplate.objects.create(
        name="Autumn offer",
        title="{{ profile.first_name | default: 'Hello' }}, autumn is here",
        body="20 % off {{ profile.favourite_category | default: 'everything' }} until Sunday.",
        url="/shop/",
    )
    campaign = Campaign.objects.create(
        name="Autumn offer",
        template=template,
        version=publish(template, by=None, now=at),
        topic=topic,
        goal_event="Order Completed",
        state=Campaign.State.SCHEDULED,
        scheduled_at=at,
        launched_at=at,
        salt=salt,
        control_percent=CONTROL_PERCENT,
        simulated=True,
    )
    campaign.included.add(everyone_)
    wave = planner.open_wave(campaign, now=at)
    assert wave is not None
    while planner.plan(wave, now=at):
        pass
    Campaign.objects.filter(pk=campaign.pk).update(state="finished", finished_at=at + dt.timedelta(hours=24))
    Wave.objects.filter(pk=wave.pk).update(state="finished", finished_at=at + dt.timedelta(hours=24))
    campaign.refresh_from_db()
    return campaign


def _outcomes(
    wave: Wave, people: tuple[Person, ...], ids: list[int], buyers: set[int], *, now: dt.datetime
) -> list[Deed]:
    """What became of each message, and the orders that the campaign caused."""
    draw = Random(SEED + 9)
    at = wave.due_at
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.id, m.profile_id, m.arm, d.id FROM delivery_message m LEFT JOIN audiences_device d"
            " ON d.profile_id = m.profile_id WHERE m.wave_id = %s AND m.wave_on = %s ORDER BY m.profile_id",
            [wave.pk, wave.wave_on],
        )
        rows = cursor.fetchall()
    by_id = dict(zip(ids, people, strict=True))
    told = [by_id[pk].index for _, pk, arm, _ in rows if arm == "told" and _is_reached(by_id[pk])]
    caused = set(draw.sample([person for person in told if person not in buyers], round(EFFECT * len(told))))
    messages, pushes, extra, leaving = [], [], [], []
    for message, pk, arm, device in rows:
        person = by_id[pk]
        why = "no_device" if not device else "no_permission" if person.permission != "granted" else ""
        why = why or ("opted_out" if person.opted_out else "")
        moment = at + dt.timedelta(seconds=draw.uniform(0, 900))
        if why:
            messages.append((message, "suppressed", why, None, None))
            continue
        if draw.random() < (0.004 if arm == "told" else 0.003):
            leaving.append((pk, moment + dt.timedelta(hours=draw.uniform(0.1, 20))))
        if arm != "told":
            messages.append((message, "held_out", arm, moment, None))
            continue
        if person.index in caused:
            later = moment + dt.timedelta(hours=min(draw.expovariate(1 / 20), 160))
            extra.append(order(person.index, draw.choice(PRODUCTS), later, random=draw))
        shown = moment + dt.timedelta(seconds=draw.uniform(1, 3600)) if draw.random() < 0.9 else None
        fate = draw.random()
        clicked = shown + dt.timedelta(seconds=draw.uniform(3, 600)) if shown and fate < 0.09 else None
        closed = shown + dt.timedelta(seconds=draw.uniform(2, 600)) if shown and 0.09 <= fate < 0.26 else None
        name = person.first_name or "Hello"
        content = {"title": f"{name}, autumn is here", "body": f"20 % off {person.favourite} until Sunday."}
        messages.append((message, "sent", "", moment, moment))
        pushes.append((uuid4(), wave.wave_on, wave.pk, message, pk, device, f"w{wave.pk}", "sent", "201", moment, moment,
                       json.dumps(content), shown, clicked, closed))  # fmt: skip
    _write(wave, messages, pushes)
    tally.recount([wave])
    for pk, moment in leaving:
        consent.record(
            [consent.NewChoice(profile_id=pk, topic_id=None, decision=Decision.OUT, source="preference page")],
            now=moment,
        )
    return [deed for deed in extra if deed.at < now]


def _write(wave: Wave, messages: list[Any], pushes: list[Any]) -> None:
    with connection.cursor() as cursor:
        columns = list(zip(*messages, strict=True))
        cursor.execute(
            """
            UPDATE delivery_message m SET state = r.state, reason = r.reason, decided_at = r.decided_at,
                   intent_at = r.intent_at, finished_at = coalesce(r.decided_at, m.due_at)
            FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
                 AS r(id, state, reason, decided_at, intent_at)
            WHERE m.id = r.id AND m.wave_on = %s
            """,
            [*map(list, columns), wave.wave_on],
        )
    _copy(
        "delivery_push",
        "id, wave_on, wave_id, message_id, profile_id, device_id, send_key, state, status, intent_at, finished_at,"
        " content, shown_at, clicked_at, dismissed_at",
        pushes,
    )


def _events(deeds: list[Deed], ids: list[int]) -> None:
    _copy(
        Event._meta.db_table,
        "profile_id, name, occurred_at, received_at, properties, context, kind, message_id",
        (
            (ids[d.person], d.name, d.at, d.at, json.dumps(d.properties), "{}", "track", f"demo-{i}")
            for i, d in enumerate(sorted(deeds, key=lambda d: d.at))
        ),
    )


def _analyze() -> None:
    """The planner of PostgreSQL learns of so many new rows now, not when its own clock comes to it."""
    with connection.cursor() as cursor:
        for model in ("profile", "device", "event", "choice", "consententry", "standing", "identifier"):
            cursor.execute(f"ANALYZE audiences_{model}")
        cursor.execute("ANALYZE delivery_message")
        cursor.execute("ANALYZE delivery_push")


def _live_campaign(topic: Topic, *, now: dt.datetime) -> None:
    """Something that goes out as soon as the demo runs."""
    if not Credential.objects.filter(retired_at=None).exists():
        keep(webpush_credential("Demo web push", subject="mailto:push@example.com", now=now))
    segment = _segment(
        "Looked at lights in the last 14 days",
        "Viewed a product of the category Light",
        {
            "event": "Product Viewed",
            "where": [{"property": "category", "kind": "string", "op": "=", "value": "Light"}],
            "window": {"last": "14d"},
        },
    )
    template = MessageTemplate.objects.create(
        name="New lights",
        title="New in: lights for long evenings",
        body="Still thinking of {{ last['Product Viewed'].name | default: 'a head torch' }}? Have a look.",
        url="/shop/",
    )
    publish(template, by=None, now=now)
    campaign = Campaign.objects.create(
        name="New lights", template=template, topic=topic, goal_event="Order Completed", simulated=True
    )
    campaign.included.add(segment)
    launch.launch(campaign, by=None, now=now)


def _facts(gateway: str) -> None:
    password = secrets.token_urlsafe(12)
    user, _ = User.objects.get_or_create(username="demo", defaults={"is_staff": True, "is_superuser": True})
    user.set_password(password)
    user.save()
    _, server_key = create_source("Shop server", "server")
    _, browser_key = create_source("Shop website", "browser")
    made = create_key("Demo", ["read", "write", "send", "admin"])
    secret = made if isinstance(made, str) else next(part for part in made if isinstance(part, str))
    facts_file.write(
        {
            "url": settings.HEED_BASE_URL,
            "username": "demo",
            "password": password,
            "write_key": server_key,
            "browser_key": browser_key,
            "secret_key": secret,
            "shop": f"{settings.HEED_BASE_URL}/shop/",
            "gateway": gateway,
        }
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
