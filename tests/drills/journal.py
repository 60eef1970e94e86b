"""What was true at each intent, written down by the database itself: a trigger looks while the intent holds the lock.

The profile's standing is locked by the intent and by whatever could change its verdict, so the trigger sees exactly what
was committed before this intent, however the clocks go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from tests.drills.books import push_id
from tests.gateways.scripted import Running

_INSTALL = """
CREATE TABLE drill_intent (
    push_id uuid, token text, told bigint, survivor bigint, owner bigint, is_off boolean, is_out boolean,
    left_since boolean, is_erased boolean
);
CREATE FUNCTION drill_note_intent() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    who bigint; topic bigint; said record; wave record; device record;
BEGIN
    SELECT * INTO said FROM delivery_message WHERE id = NEW.message_id AND wave_on = NEW.wave_on;
    SELECT * INTO wave FROM delivery_wave WHERE id = NEW.wave_id;
    topic := CASE WHEN wave.message_class <> 'transactional' THEN wave.topic_id END;
    SELECT * INTO device FROM audiences_device WHERE id = NEW.device_id;
    SELECT coalesce(merged_into_id, id) INTO who FROM audiences_profile WHERE id = said.profile_id;
    INSERT INTO drill_intent SELECT
        NEW.id, device.address, said.profile_id, who, device.profile_id,
        device.detached_at IS NOT NULL OR device.quarantined_at IS NOT NULL
            OR device.permission NOT IN ('granted', 'provisional'),
        EXISTS (
            SELECT FROM audiences_choice c JOIN audiences_profile p ON p.id = c.profile_id
            WHERE who IN (p.id, p.merged_into_id) AND c.decision = 'out'
              AND (c.topic_id IS NULL OR c.topic_id = topic)),
        said.profile_id = who AND EXISTS (
            SELECT FROM audiences_consententry e
            WHERE e.profile_id = who AND e.decision = 'out' AND e.epoch > said.planned_epoch
              AND (e.topic_id IS NULL OR e.topic_id = topic)),
        (SELECT erased_at IS NOT NULL FROM audiences_profile WHERE id = who);
    RETURN NULL;
END $$;
CREATE TRIGGER drill_intent AFTER INSERT OR UPDATE OF state ON delivery_push
    FOR EACH ROW WHEN (NEW.state = 'sending') EXECUTE FUNCTION drill_note_intent();
"""
_REMOVE = """
DROP TRIGGER drill_intent ON delivery_push;
DROP FUNCTION drill_note_intent();
DROP TABLE drill_intent;
"""
_FAULTS = """
SELECT push_id::text, told, survivor, owner, is_off, is_out, left_since, is_erased FROM drill_intent
WHERE owner IS DISTINCT FROM survivor OR is_off OR is_out OR left_since OR is_erased
"""


@contextmanager
def kept() -> Iterator[None]:
    """Every intent is noted, with what held for its person and its device at that moment."""
    with connection.cursor() as cursor:
        cursor.execute(_INSTALL)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(_REMOVE)


def faults() -> list[tuple[Any, ...]]:
    """Intents for someone who had left or was erased, or on a device that was somebody else's, logged out or dead."""
    with connection.cursor() as cursor:
        cursor.execute(_FAULTS)
        return cursor.fetchall()


def posts_without_intent(*services: Running) -> list[str]:
    """What the gateways got that no intent stood for: more POSTs of a push than intents, at another address than the one
    intended, or with words for somebody who did not own the device then."""
    intended: dict[tuple[str, str], list[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT push_id::text, token, survivor FROM drill_intent")
        for push, address, survivor in cursor.fetchall():
            intended.setdefault((push, address.rpartition("/")[2]), []).append(f"for {survivor}")
    posted: Counter[tuple[str, str]] = Counter()
    found = []
    for service in services:
        for request in service.requests:
            if request["step"] == "refused-stream":
                continue  # not processed, says the protocol: it may go again for the same intent
            key = (push_id(request), request["token"])
            posted[key] += 1
            words = body_of(request)
            if words.startswith("for ") and words not in intended.get(key, []):
                found.append(f"{key}: {words!r}, intended {intended.get(key)}")
    found += [
        f"{key}: {n} posts, {len(intended.get(key, []))} intents"
        for key, n in posted.items()
        if n > len(intended.get(key, []))
    ]
    return found


def body_of(request: dict[str, Any]) -> str:
    """The text that a push shows; each gateway's payload carries it in its own place."""
    payload = request["payload"]
    shown = payload.get("notification") or payload.get("aps", {}).get("alert") or payload.get("data") or payload
    return str(shown.get("body", payload.get("body", "")))
