"""Calls in: what is stored, once, for whom, and with which time."""

import datetime as dt
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audiences import names_seen, sources
from audiences.ingest import accept
from audiences.models import AttributeName, Device, Event, EventName, Identifier, Profile, SeenCall, Standing
from tests import make
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def server():
    return make.source("server")


@pytest.fixture
def browser():
    return make.source("browser")


def send(source, *calls, now=NOW, **envelope):
    return accept([json.dumps(call).encode() for call in calls], source=source, now=now, **envelope)


def track(user="ada", event="Product Added", **more):
    return {"type": "track", "userId": user, "event": event, **more}


def test_a_call_of_an_unknown_user_makes_a_profile_with_standing_identifier_and_event(server):
    result = send(server, track(properties={"price": 12.5}, messageId="m-1"))
    profile = Profile.objects.get()
    assert result.stored == 1
    assert result.owners == {0: profile.pk}
    assert (profile.external_id, profile.proven_at, profile.created_at) == ("ada", NOW, NOW)
    assert Standing.objects.get().profile_id == profile.pk
    assert Identifier.objects.get().value == "ada"
    event = Event.objects.get()
    assert (event.profile_id, event.name, event.properties, event.message_id) == (
        profile.pk,
        "Product Added",
        {"price": 12.5},
        "m-1",
    )
    assert event.source_id == server.pk


def test_a_message_id_is_stored_once_in_a_batch_and_across_batches_of_one_source(server):
    first = send(server, track(messageId="m"), track(messageId="m"))
    again = send(server, track(messageId="m"), track(messageId="n"))
    assert (first.stored, first.repeated, again.stored, again.repeated) == (1, 1, 1, 1)
    assert Event.objects.count() == 2
    other = send(make.source(), track(messageId="m"))
    assert other.stored == 1


def test_a_hundred_events_of_known_people_take_the_same_statements_as_one(server):
    people = [make.profile().external_id for _ in range(50)]
    send(server, *[track(person) for person in people])
    with CaptureQueriesContext(
        connection,
    ) as one:
        send(server, track(people[0]))
    with CaptureQueriesContext(connection) as hundred:
        send(server, *[track(person) for person in people * 2])
    assert len(hundred) == len(one)


@pytest.mark.parametrize(
    ("call", "path"),
    [
        ({"type": "shout", "userId": "a"}, "type"),
        ({"type": "track", "event": "X"}, "userId"),
        ({"type": "track", "userId": "a"}, "event"),
        ({"type": "track", "userId": "a", "event": "E" * 201}, "event"),
        ({"type": "track", "userId": "a", "event": "E\0"}, "event"),
        ({"type": "track", "userId": "a" * 256, "event": "E"}, "userId"),
        ({"type": "track", "userId": "a", "event": {"no": 1}}, "event"),
        ({"type": "track", "userId": "a", "event": "E", "properties": [1]}, "properties"),
        ({"type": "track", "userId": "a", "event": "E", "context": {"locale": 1}}, "context.locale"),
        ({"type": "track", "userId": "a", "event": "E", "timestamp": "yesterday"}, "timestamp"),
        ({"type": "track", "userId": "a", "event": "E", "timestamp": "2026-11-24T12:00:00"}, "timestamp"),
        ({"type": "track", "userId": "a", "event": "E", "timestamp": "1999-11-24T12:00:00Z"}, "timestamp"),
        ({"type": "alias", "userId": "a"}, "previousId"),
        ({"type": "group", "userId": "a"}, "groupId"),
    ],
)
def test_a_bad_call_is_refused_by_path_and_keeps_no_good_one_back(server, call, path):
    result = send(server, track("good"), call, track("fine"))
    assert [(index, where) for index, where, _ in result.rejected] == [(1, path)]
    assert result.stored == 2
    assert set(Profile.objects.values_list("external_id", flat=True)) == {"good", "fine"}


def test_broken_json_too_deep_and_too_large_calls_are_refused_alone(server):
    deep = b'{"type":"track","userId":"a","event":"E","properties":{"a":' + b"[" * 5000 + b"]" * 5000 + b"}}"
    large = json.dumps(track(properties={"text": "x" * 33_000})).encode()
    result = accept([b"{nope", deep, large, json.dumps(track()).encode()], source=server, now=NOW)
    assert [index for index, _, _ in result.rejected] == [0, 1, 2]
    assert result.stored == 1


def test_odd_characters_survive_and_nul_is_left_out(server):
    send(
        server,
        track(event='tab\t"quote" \\back\nline', properties={"k\0": ["a\0b", "\\u0000", "ä\t\n\\"]}, messageId="\\N"),
    )
    event = Event.objects.get()
    assert event.name == 'tab\t"quote" \\back\nline'
    assert event.properties == {"k": ["ab", "\\u0000", "ä\t\n\\"]}
    assert event.message_id == "\\N"


def test_the_devices_wrong_clock_is_corrected_by_sent_at(server):
    wrong = NOW - dt.timedelta(hours=3)
    send(server, track(timestamp=(wrong - dt.timedelta(minutes=5)).isoformat()), sent_at=wrong)
    assert Event.objects.get().occurred_at == NOW - dt.timedelta(minutes=5)


def test_the_way_through_the_network_is_no_wrong_clock(server):
    send(server, track(timestamp="2026-11-20T00:00:00Z"), sent_at=NOW - dt.timedelta(seconds=1))
    assert Event.objects.get().occurred_at == dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


def test_an_event_more_than_a_day_ahead_gets_the_time_of_receipt_and_a_flag(server):
    result = send(server, track(timestamp=(NOW + dt.timedelta(hours=25)).isoformat()))
    event = Event.objects.get()
    assert event.occurred_at == NOW
    assert event.context == {"clock": "ahead"}
    assert result.wrong_clocks == 1


def test_old_events_come_in_with_a_secret_key_only(server, browser):
    old = track(timestamp="2011-03-01T10:00:00Z")
    assert send(server, old).stored == 1
    assert send(browser, old).rejected[0][1] == "timestamp"
    assert Event.objects.get(occurred_at__year=2011).name == "Product Added"


def test_attributes_merge_and_null_takes_one_away(server):
    send(server, {"type": "identify", "userId": "ada", "traits": {"plan": "free", "city": "Bonn"}})
    send(server, {"type": "identify", "userId": "ada", "traits": {"plan": "pro", "city": None, "age": 3}})
    assert Profile.objects.get().attributes == {"plan": "pro", "age": 3}


def test_reserved_attributes_are_not_stored(server, browser):
    traits = {"$x": 1, "heed_y": 1, "userHash": "h", "consent": True, "email_verified": True, "plan": "pro"}
    send(server, {"type": "identify", "userId": "ada", "traits": traits})
    send(browser, {"type": "identify", "anonymousId": "v", "traits": traits})
    assert Profile.objects.get(external_id="ada").attributes == {"plan": "pro", "consent": True, "email_verified": True}
    assert Profile.objects.get(external_id=None).attributes == {"plan": "pro"}


def test_locale_and_zone_come_from_the_context_and_an_unknown_zone_is_counted(browser):
    context = {"locale": "de-DE", "timezone": "Asia/Calcutta", "userAgent": "x", "screen": {"width": 1}}
    assert send(browser, track(None, anonymousId="v", context=context)).unknown_zones == 0
    later = NOW + dt.timedelta(minutes=1)
    again = track(None, anonymousId="v", context={"timezone": "Mars/Phobos"}, timestamp=later.isoformat())
    result = send(browser, again, now=later)
    profile = Profile.objects.get()
    assert (profile.locale, profile.zone, result.unknown_zones) == ("de-DE", "Asia/Calcutta", 1)
    assert Event.objects.order_by("id").first().context == {
        "locale": "de-DE",
        "timezone": "Asia/Calcutta",
        "userAgent": "x",
    }


def test_pages_and_screens_are_events_of_their_own_kind(browser):
    send(
        browser,
        {"type": "page", "anonymousId": "v", "name": "Home", "properties": {"path": "/"}},
        {"type": "screen", "anonymousId": "v", "name": "Cart"},
    )
    stored = [(e.kind, e.name, e.properties) for e in Event.objects.order_by("id")]
    assert stored == [
        ("page", "Page Viewed", {"name": "Home", "path": "/"}),
        ("screen", "Screen Viewed", {"name": "Cart"}),
    ]


def test_a_group_call_says_which_group_the_profile_belongs_to(server):
    send(server, {"type": "group", "userId": "ada", "groupId": 7, "traits": {"name": "Acme"}})
    assert Profile.objects.get().attributes == {"group_id": "7", "group": {"name": "Acme"}}


def test_an_erased_person_stays_away(server):
    erased = make.profile("gone", erased_at=NOW)
    result = send(server, track("gone"), {"type": "identify", "userId": "gone", "anonymousId": "v"})
    assert (result.stored, result.dropped) == (0, 2)
    assert not Event.objects.filter(profile=erased).exists()


def test_names_and_kinds_are_suggested_and_a_usual_batch_writes_none(server):
    names_seen.forget()
    send(server, track(properties={"price": 1, "at": "2026-01-01", "who": "x"}))
    send(server, {"type": "identify", "userId": "ada", "traits": {"plan": "pro", "vip": True}})
    assert EventName.objects.get().properties == {"price": ["number"], "at": ["date"], "who": ["string"]}
    assert {a.name: a.kinds for a in AttributeName.objects.all()} == {"plan": {"string": 1}, "vip": {"bool": 1}}
    send(server, track(properties={"price": "free", "at": "2026-01-02", "who": "x"}))
    assert EventName.objects.get().properties["price"] == ["number", "string"]
    with CaptureQueriesContext(connection) as queries:
        send(server, track(properties={"price": 2, "at": "2026-01-03", "who": "y"}))
    assert not [q for q in queries if "eventname" in q["sql"]]


def test_what_was_not_taken_is_not_suggested(server, browser):
    names_seen.forget()
    traits = {"$x": 1, "heed_y": 1, "userHash": "h", "consent": True}
    send(server, {"type": "identify", "userId": "ada", "traits": {"plan": "pro"} | traits})
    send(browser, {"type": "identify", "userId": "ada", "anonymousId": "v", "traits": {"stolen": 1} | traits})
    assert {one.name for one in AttributeName.objects.all()} == {"plan", "consent"}


def test_a_mobile_sdks_token_registers_the_device_once_and_follows_the_login(server):
    context = {"device": {"id": "phone", "token": "t" * 60, "type": "Android"}, "app": {"version": "2.1"}}
    send(server, track("ada", "Application Installed", context=context))
    device = Device.objects.get()
    assert (device.gateway, device.address, device.app_version, device.profile.external_id) == (
        "fcm",
        "t" * 60,
        "2.1",
        "ada",
    )
    epoch = Standing.objects.get(profile=device.profile).epoch
    send(server, track("ada", context=context))
    assert Standing.objects.get(profile=device.profile).epoch == epoch
    send(server, track("bob", context=context))
    assert Device.objects.get().profile.external_id == "bob"
    assert Standing.objects.get(profile=device.profile).epoch > epoch
    assert "device" not in Event.objects.first().context


class TestPublicKeys:
    """What anyone who reads a page's source may do."""

    def test_a_new_id_needs_no_proof(self, browser):
        assert send(browser, {"type": "identify", "userId": "new", "anonymousId": "v", "traits": {"a": 1}}).stored == 1
        assert Profile.objects.get().attributes == {"a": 1}
        assert Profile.objects.get().proven_at is None

    def test_without_proof_a_vouched_id_is_neither_changed_nor_merged_and_the_event_is_kept(self, server, browser):
        send(server, {"type": "identify", "userId": "ada", "traits": {"plan": "pro"}})
        result = send(
            browser,
            {"type": "identify", "userId": "ada", "anonymousId": "v", "traits": {"plan": "hacked"}},
            track("ada", anonymousId="v"),
        )
        assert (result.unproven, result.stored) == (2, 2)
        visitor = Identifier.objects.get(value="v").profile
        assert visitor.external_id is None
        assert visitor.attributes == {}
        assert Event.objects.get().profile_id == visitor.pk
        assert Profile.objects.get(external_id="ada").attributes == {"plan": "pro"}
        browser.refresh_from_db()
        assert browser.unproven_calls == 2

    def test_without_anything_else_an_unproven_call_is_refused_whoever_it_names(self, server, browser):
        """S36: known, erased or never heard of, the answer is the same."""
        send(server, track("ada"))
        make.profile("gone", proven_at=NOW, erased_at=NOW)
        answers = [send(browser, track(who)) for who in ("ada", "gone", "nobody")]
        assert [[one.rejected, one.dropped, one.stored] for one in answers] == [[answers[0].rejected, 0, 0]] * 3
        assert answers[0].rejected[0][1] == "userHash"

    @pytest.mark.parametrize("place", ["top", "context", "traits"])
    def test_with_proof_it_merges_and_the_proof_is_not_stored(self, server, browser, place):
        send(server, track("ada"))
        send(browser, track(None, anonymousId="v"))
        call = {"type": "identify", "userId": "ada", "anonymousId": "v", "traits": {"city": "Bonn"}}
        proof = sources.identity_hash(browser, "ada")
        (call if place == "top" else call.setdefault(place, {}))["userHash"] = proof
        assert send(browser, call).unproven == 0
        ada = Profile.objects.get(external_id="ada")
        assert Identifier.objects.get(value="v").profile == ada
        assert ada.attributes == {"city": "Bonn"}
        assert Event.objects.filter(profile=ada).count() == 2

    def test_a_browser_that_proved_itself_once_goes_on_but_each_change_of_attributes_needs_proof(self, server, browser):
        send(server, track("ada"))
        proof = {"userHash": sources.identity_hash(browser, "ada")}
        send(browser, {"type": "identify", "userId": "ada", "anonymousId": "v", "context": proof})
        assert send(browser, track("ada", anonymousId="v")).unproven == 0
        traits = {"type": "identify", "userId": "ada", "anonymousId": "v", "traits": {"plan": "pro"}}
        assert send(browser, traits).unproven == 1
        assert send(browser, {"type": "identify", "anonymousId": "v", "traits": {"plan": "pro"}}).unproven == 1
        assert Profile.objects.get(external_id="ada").attributes == {}
        assert send(browser, traits | {"context": proof}).unproven == 0
        assert Profile.objects.get(external_id="ada").attributes == {"plan": "pro"}

    def test_proof_for_another_id_or_of_another_source_is_none(self, server, browser):
        send(server, track("ada"))
        for proof in (sources.identity_hash(browser, "bob"), "0" * 64, "ä"):
            call = {"type": "identify", "userId": "ada", "anonymousId": "v", "context": {"userHash": proof}}
            assert send(browser, call).unproven == 1

    def test_a_site_may_do_without_proof(self, server):
        trusting = make.source("browser", requires_proof=False)
        send(server, track("ada"))
        assert send(trusting, {"type": "identify", "userId": "ada", "anonymousId": "v"}).unproven == 0
        assert Identifier.objects.get(value="v").profile.external_id == "ada"

    def test_an_alias_never_merges_two_known_users(self, server, browser):
        send(server, track("ada"), track("bob"))
        proof = {"userHash": sources.identity_hash(browser, "ada")}
        for previous in ("bob", "nobody"):
            alias = {"type": "alias", "userId": "ada", "previousId": previous, "context": proof}
            assert send(browser, alias).stored == 1
        assert Profile.objects.standing_alone().filter(external_id__in=["ada", "bob"]).count() == 2
        assert Identifier.objects.get(kind="anonymous", value="bob").profile.external_id == "ada"


def test_seen_calls_remember_the_source_and_time(server):
    send(server, track(messageId="m"))
    seen = SeenCall.objects.values_list("source_id", "message_id", "seen_at").get()
    assert seen == (server.pk, "m", NOW)


def test_contexts_that_repeat_are_stored_alike_and_none_is_made_up(server):
    context = {"library": {"name": 'a "b" \\ c', "version": 1}, "ip": None, "userHash": "h"}
    for _ in range(2):
        send(server, track(context=context), track(context=None), track(**{"heed.context": {"ip": "1.2.3.4"}}))
    wanted = [{"library": {"name": 'a "b" \\ c', "version": 1}}, {}, {}]
    assert list(Event.objects.order_by("id").values_list("context", flat=True)) == wanted * 2
    ahead = (NOW + dt.timedelta(days=3)).isoformat()
    send(server, track(context=context, timestamp=ahead), track(context=context))
    assert [event.context.get("clock") for event in Event.objects.order_by("id")[6:]] == ["ahead", None]


def test_a_time_without_its_zone_is_refused_in_plain_words(server):
    for field in ("timestamp", "originalTimestamp", "sentAt"):
        result = send(server, track(**{field: "2026-11-24T12:00:00"}), track())
        assert (result.stored, result.rejected) == (
            1,
            [(0, field, "Give the time with its zone, such as 2026-11-24T12:00:00Z.")],
        )
