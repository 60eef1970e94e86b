"""A large site made in bulk: a million people with devices and choices, millions of events, and a campaign to all."""

from __future__ import annotations

import datetime as dt
from typing import Any

DAYS = 60
EVENTS = ("Product Viewed", "Product Added", "Order Completed", "Page Viewed", "Search")


def load(*, profiles: int, events: int, now: dt.datetime) -> None:
    """Profiles with devices (eight in ten), choices (one in twenty opted out) and events of the last 60 days, the
    newest first by id as little as in life. Adds to what is there."""
    from django.db import connection

    from audiences.partitions import ensure_months

    days = [now.date() - dt.timedelta(days=n) for n in range(-31, DAYS + 31, 7)]
    for table in ("audiences_event", "delivery_message", "delivery_push"):
        ensure_months(table, days)
    with connection.cursor() as cursor:
        for statement in (_PROFILES, _STANDINGS, _IDENTIFIERS, _DEVICES, _LEDGER, _CHOICES):
            cursor.execute(statement, {"profiles": profiles, "now": now})
        for start in range(0, events, 1_000_000):
            cursor.execute(
                _EVENTS,
                {
                    "count": min(1_000_000, events - start),
                    "start": start,
                    "profiles": profiles,
                    "now": now,
                    "days": DAYS,
                },
            )
        cursor.execute(
            "INSERT INTO audiences_eventname (name, properties, first_seen_at, last_seen_at)"
            " SELECT unnest(%s::text[]), %s, %s, %s ON CONFLICT DO NOTHING",
            [list(EVENTS), '{"name": {"string": 9}, "category": {"string": 9}, "price": {"number": 9}}', now, now],
        )
        cursor.execute(
            "INSERT INTO audiences_attributename (name, kinds, last_seen_at) SELECT unnest(%s::text[]), %s, %s"
            " ON CONFLICT DO NOTHING",
            [["first_name", "last_name", "email", "plan", "city"], '{"string": 9}', now],
        )
        for table in ("profile", "standing", "identifier", "device", "choice", "consententry", "event"):
            cursor.execute(f"VACUUM ANALYZE audiences_{table}")


def send_to_all(campaign: Any, *, now: dt.datetime) -> None:
    """Plan a launched campaign and write what would have become of it: seven in ten sent, most of them shown."""
    from django.db import connection

    from campaigns import planner

    wave = planner.open_wave(campaign, now=now)
    assert wave is not None
    while planner.plan(wave, now=now):
        pass
    given = {"wave": wave.pk, "wave_on": wave.wave_on, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(_OUTCOMES, given)
        cursor.execute(_PUSHES, given)
        cursor.execute("VACUUM ANALYZE delivery_message")
        cursor.execute("VACUUM ANALYZE delivery_push")
    type(wave).objects.filter(pk=wave.pk).update(state="finished", finished_at=now + dt.timedelta(hours=1))
    type(campaign).objects.filter(pk=campaign.pk).update(state="finished", finished_at=now + dt.timedelta(hours=1))


_PROFILES = """
INSERT INTO audiences_profile (external_id, attributes, locale, zone, created_at, last_seen_at, proven_at)
SELECT 'shop-' || n, jsonb_build_object('first_name', (ARRAY['Ada','Bo','Cleo','Dan','Eve','Finn'])[1 + n %% 6] || n %% 997,
       'last_name', 'Name' || n %% 9973, 'email', 'p' || n || '@example.net', 'plan', CASE WHEN n %% 3 = 0 THEN 'pro' ELSE 'free' END,
       'city', 'City' || n %% 211),
       (ARRAY['en','de','fr','es'])[1 + n %% 4], (ARRAY['Europe/Berlin','America/New_York','Asia/Kolkata','UTC'])[1 + n %% 4],
       %(now)s - interval '300 days', %(now)s - (n * 2654435761 %% 5184000) * interval '1 second', %(now)s
FROM generate_series(1::bigint, %(profiles)s) n ON CONFLICT DO NOTHING
"""
_STANDINGS = """
INSERT INTO audiences_standing (profile_id) SELECT id FROM audiences_profile p
WHERE NOT EXISTS (SELECT FROM audiences_standing s WHERE s.profile_id = p.id)
"""
_IDENTIFIERS = """
INSERT INTO audiences_identifier (kind, value, profile_id) SELECT 'user', external_id, id FROM audiences_profile
WHERE external_id LIKE 'shop-%%' ON CONFLICT DO NOTHING
"""
_DEVICES = """
INSERT INTO audiences_device (public_id, profile_id, key, gateway, address, permission, platform, browser, os, locale, zone,
                              created_at, registered_at, last_seen_at)
SELECT gen_random_uuid(), id, 'k-' || id, 'webpush', 'https://fcm.googleapis.com/fcm/send/' || id,
       CASE WHEN id %% 25 = 0 THEN 'denied' ELSE 'granted' END, 'web', (ARRAY['Chrome','Firefox','Safari'])[1 + id %% 3], 'Linux',
       locale, zone, created_at, created_at, last_seen_at
FROM audiences_profile WHERE id %% 10 < 8 AND external_id LIKE 'shop-%%' ON CONFLICT DO NOTHING
"""
_LEDGER = """
INSERT INTO audiences_consententry (profile_id, topic_id, decision, source, text, text_version, actor, at, epoch)
SELECT id, NULL, CASE WHEN id %% 20 = 0 THEN 'out' ELSE 'in' END, 'made', '', '', '', created_at, 0
FROM audiences_profile WHERE (id %% 20 = 0 OR id %% 3 = 0) AND external_id LIKE 'shop-%%'
"""
_CHOICES = """
INSERT INTO audiences_choice (profile_id, topic_id, decision, changed_at, entry_id)
SELECT profile_id, NULL, decision, at, id FROM audiences_consententry WHERE source = 'made' ON CONFLICT DO NOTHING
"""
_EVENTS = """
INSERT INTO audiences_event (profile_id, name, occurred_at, received_at, properties, context, kind, message_id)
SELECT p.id, (ARRAY['Product Viewed','Product Viewed','Product Viewed','Page Viewed','Page Viewed','Search','Product Added',
                    'Order Completed'])[1 + (n * 7919) %% 8],
       at, at, jsonb_build_object('name', 'Thing ' || n %% 97, 'category', (ARRAY['Tents','Light','Shoes','Packs'])[1 + n %% 4],
                                  'price', n %% 300), '{}', 'track', 'm-' || n
FROM (SELECT n, 1 + (n * 2654435761) %% %(profiles)s AS who,
             %(now)s - ((n * 40503) %% (%(days)s * 86400)) * interval '1 second' AS at
      FROM generate_series(%(start)s::bigint + 1, %(start)s::bigint + %(count)s) n) g
JOIN audiences_profile p ON p.external_id = 'shop-' || g.who
"""
_OUTCOMES = """
UPDATE delivery_message m SET
    state = CASE WHEN m.profile_id %% 10 >= 8 OR m.profile_id %% 25 = 0 OR m.profile_id %% 20 = 0 THEN 'suppressed'
                 WHEN m.arm = 'told' THEN 'sent' ELSE 'held_out' END,
    reason = CASE WHEN m.profile_id %% 10 >= 8 THEN 'no_device' WHEN m.profile_id %% 25 = 0 THEN 'no_permission'
                  WHEN m.profile_id %% 20 = 0 THEN 'opted_out' WHEN m.arm = 'told' THEN '' ELSE 'control' END,
    decided_at = %(now)s + (m.profile_id %% 900) * interval '1 second',
    intent_at = CASE WHEN NOT (m.profile_id %% 10 >= 8 OR m.profile_id %% 25 = 0 OR m.profile_id %% 20 = 0) AND m.arm = 'told'
                     THEN %(now)s + (m.profile_id %% 900) * interval '1 second' END,
    finished_at = %(now)s + (m.profile_id %% 900) * interval '1 second'
WHERE wave_id = %(wave)s AND wave_on = %(wave_on)s
"""
_PUSHES = """
INSERT INTO delivery_push (id, wave_on, wave_id, message_id, profile_id, device_id, send_key, state, status, intent_at,
                           finished_at, content, shown_at, clicked_at, dismissed_at)
SELECT gen_random_uuid(), m.wave_on, m.wave_id, m.id, m.profile_id, d.id, 'w' || m.wave_id, 'sent', '201', m.intent_at,
       m.intent_at, '{"title": "Hello", "body": "We have news."}',
       CASE WHEN m.id %% 10 > 0 THEN m.intent_at + interval '1 minute' END,
       CASE WHEN m.id %% 11 = 1 THEN m.intent_at + interval '2 minutes' END,
       CASE WHEN m.id %% 11 = 3 THEN m.intent_at + interval '2 minutes' END
FROM delivery_message m JOIN audiences_device d ON d.profile_id = m.profile_id
WHERE m.wave_id = %(wave)s AND m.wave_on = %(wave_on)s AND m.state = 'sent'
"""
