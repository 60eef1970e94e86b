"""Each gate alone: facts in, verdict out."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import asdict, replace

from audiences.models import Topic
from delivery.gates import checks
from delivery.gates.facts import ChoiceFacts, DeviceFacts, EarlierPush, Facts, Intent
from delivery.gates.judge import AFTER_CONTENT, BEFORE_CONTENT, judge, judge_each
from delivery.gates.quiet import boundary, is_quiet
from delivery.gates.verdict import Effect
from delivery.models import Cap, SendingRules, Wave

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
LIVE = DeviceFacts(1, "webpush", "https://x", "", "", "", "granted", "", False, False, "", "", NOW, {}, 1)


def utc(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


def facts(now=NOW, *, rules=None, caps=(), wave=None, **values):
    return Facts(
        **{
            "message_id": 1,
            "profile_id": 1,
            "drawn_id": 1,
            "arm": "told",
            "due_at": now,
            "planned_at": now,
            "planned_epoch": 0,
            "fence": 1,
            "had_intent": False,
            "wave": wave or a_wave(now),
            "rules": rules or SendingRules(quiet_from=None, quiet_until=None),
            "caps": caps,
            "devices": [LIVE],
            **values,
        }
    )


def a_wave(now=NOW, **values):
    return Wave(
        **{
            "state": "running",
            "due_at": now,
            "expires_at": now + dt.timedelta(days=2),
            "tolerance_minutes": 60,
            "message_class": "promotional",
            **values,
        }
    )


def night(start, end, zone="UTC"):
    return SendingRules(
        quiet_from=dt.time.fromisoformat(start), quiet_until=dt.time.fromisoformat(end), default_zone=zone
    )


def test_everything_right_passes_every_gate():
    assert all(verdict.allowed for verdict in judge(facts(), now=NOW, gates=BEFORE_CONTENT + AFTER_CONTENT))


def test_the_first_no_decides():
    verdicts = judge(facts(erased=True, devices=[]), now=NOW)
    assert (verdicts[-1].gate, verdicts[-1].reason) == ("profile", "erased")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"permission": "denied"}, "no_permission"),
        ({"permission": "default"}, "no_permission"),
        ({"dead": "gone"}, "address_dead"),
        ({"dead": "stale"}, "address_stale"),
        ({"credential_id": None}, "credential_missing"),
        ({"detached": True}, "logged_out"),
        ({"needs_resubscribe": True}, "needs_resubscribe"),
    ],
)
def test_a_device_that_cannot_be_pushed_to_says_why(changed, reason):
    assert checks.device(facts(devices=[replace(LIVE, **changed)]), now=NOW).reason == reason


def test_whose_device_is_somebody_elses_now_is_told_so_unless_another_one_is_live():
    assert checks.device(facts(devices=[]), now=NOW).reason == "no_device"
    assert checks.device(facts(devices=[], is_reassigned=True), now=NOW).reason == "device_reassigned"
    assert checks.device(facts(is_reassigned=True), now=NOW).allowed


def test_one_live_device_is_enough():
    assert checks.device(facts(devices=[replace(LIVE, dead="gone"), LIVE]), now=NOW).allowed


def test_an_opt_out_planned_before_it_is_known_by_its_epoch():
    since = {None: ChoiceFacts("in", 5, NOW)}
    assert not checks.consent(facts(choices=since, planned_epoch=4), now=NOW).allowed
    assert checks.consent(facts(choices=since, planned_epoch=5), now=NOW).allowed


def test_across_a_merge_the_opt_out_counts_by_time():
    since = {None: ChoiceFacts("in", 1, NOW)}
    merged = facts(choices=since, planned_epoch=50, drawn_id=2, planned_at=NOW - dt.timedelta(minutes=5))
    assert checks.consent(merged, now=NOW).reason == "opted_out_since_planned"


@pytest.mark.parametrize(
    ("late", "allowed"), [(dt.timedelta(minutes=59, seconds=59), True), (dt.timedelta(minutes=60), False)]
)
def test_later_than_tolerable_is_expired(late, allowed):
    verdict = checks.expiry(facts(), now=NOW + late)
    assert verdict.allowed is allowed
    if not allowed:
        assert (verdict.reason, verdict.effect) == ("late", Effect.EXPIRE)


def test_a_retry_is_not_late_only_expired():
    assert checks.expiry(facts(had_intent=True), now=NOW + dt.timedelta(hours=5)).allowed
    assert checks.expiry(facts(had_intent=True), now=NOW + dt.timedelta(days=2)).reason == "expired"


@pytest.mark.parametrize(
    ("clock", "sends"), [("21:59:59", True), ("22:00:00", False), ("07:59:59", False), ("08:00:00", True)]
)
def test_quiet_hours_hold_from_their_start_up_to_their_end(clock, sends):
    now = dt.datetime.combine(NOW.date(), dt.time.fromisoformat(clock), tzinfo=dt.UTC)
    assert checks.quiet_hours(facts(now, rules=night("22:00", "08:00")), now=now).allowed is sends


def test_quiet_hours_follow_the_profile_not_the_server():
    rules = night("22:00", "08:00")
    assert checks.quiet_hours(facts(rules=rules, zone="Europe/Berlin"), now=NOW).allowed
    assert not checks.quiet_hours(facts(rules=rules, zone="Pacific/Auckland"), now=NOW).allowed
    assert checks.quiet_hours(facts(rules=rules, zone="Mars/Phobos"), now=NOW).allowed


@pytest.mark.parametrize(
    ("at", "released"),
    [
        ("2026-11-24T23:30", utc(2026, 11, 25, 7)),
        ("2026-11-24T05:30", utc(2026, 11, 24, 7)),
    ],
)
def test_a_message_in_the_night_waits_for_eight_oclock(at, released):
    zone = ZoneInfo("Europe/Berlin")
    now = dt.datetime.fromisoformat(at).replace(tzinfo=zone).astimezone(dt.UTC)
    verdict = checks.quiet_hours(facts(now, rules=night("22:00", "08:00"), zone="Europe/Berlin"), now=now)
    assert (verdict.reason, verdict.effect, verdict.frees_at) == ("quiet_hours", Effect.DEFER, released)


def test_the_end_of_the_night_in_a_gap_takes_the_offset_before_it():
    now = utc(2027, 3, 14, 4)
    verdict = checks.quiet_hours(facts(now, rules=night("22:00", "02:30"), zone="America/New_York"), now=now)
    assert verdict.frees_at == utc(2027, 3, 14, 7, 30)


def test_the_end_of_the_night_in_an_overlap_is_the_second_reading():
    now = utc(2026, 11, 1, 3)
    verdict = checks.quiet_hours(facts(now, rules=night("22:00", "01:30"), zone="America/New_York"), now=now)
    assert verdict.frees_at == utc(2026, 11, 1, 6, 30)


def test_the_same_start_and_end_mean_no_quiet_hours():
    assert not is_quiet(NOW, zone=ZoneInfo("UTC"), start=dt.time(12), end=dt.time(12))
    assert checks.quiet_hours(facts(rules=night("12:00", "12:00")), now=NOW).allowed


def test_what_expires_in_the_night_is_not_kept_for_the_morning():
    now = utc(2026, 11, 24, 23)
    wave = a_wave(now, expires_at=utc(2026, 11, 25, 6))
    verdict = checks.quiet_hours(facts(now, rules=night("22:00", "08:00"), wave=wave), now=now)
    assert (verdict.reason, verdict.effect) == ("expires_in_quiet_hours", Effect.EXPIRE)


def test_a_yes_is_good_until_the_night_begins():
    assert checks.quiet_hours(facts(rules=night("22:00", "08:00")), now=NOW).good_until == utc(2026, 11, 24, 22)


def test_transactional_messages_pass_the_night_unless_the_law_forbids_it():
    now = utc(2026, 11, 24, 23)
    rules = night("22:00", "08:00")
    wave = a_wave(now, message_class="transactional")
    assert checks.quiet_hours(facts(now, rules=rules, wave=wave), now=now).allowed
    rules.quiet_binds_transactional = True
    assert not checks.quiet_hours(facts(now, rules=rules, wave=wave), now=now).allowed


def test_the_next_boundary_is_always_ahead():
    for zone in ("Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"):
        for hour in range(0, 24 * 400, 7):
            now = utc(2026, 1, 1) + dt.timedelta(hours=hour)
            ahead = boundary(now, zone=ZoneInfo(zone), wall=dt.time(8), last=True) - now
            assert dt.timedelta() < ahead <= dt.timedelta(hours=25, minutes=30)


def got(*hours_ago, topic=None, message_class="promotional"):
    return [Intent(NOW - dt.timedelta(hours=h), topic, message_class) for h in hours_ago]


def test_caps_roll_with_the_hours_and_say_when_they_free():
    verdict = checks.frequency_caps(facts(caps=(Cap(limit=1, hours=24),), intents=got(2)), now=NOW)
    assert (verdict.reason, verdict.frees_at) == ("frequency_cap", NOW + dt.timedelta(hours=22))
    assert verdict.values == {"seen": 1, "cap": 1, "hours": 24}
    assert checks.frequency_caps(facts(caps=(Cap(limit=1, hours=24),), intents=got(24)), now=NOW).allowed


def test_a_new_year_does_not_reset_a_weekly_cap():
    now = utc(2027, 1, 1, 12)
    intents = [Intent(utc(2026, 12, 31, 12), None, "promotional")]
    assert not checks.frequency_caps(facts(now, caps=(Cap(limit=1, hours=168),), intents=intents), now=now).allowed


def test_no_cap_means_no_cap_and_zero_means_zero():
    assert checks.frequency_caps(facts(intents=got(*range(100))), now=NOW).allowed
    verdict = checks.frequency_caps(facts(caps=(Cap(limit=0, hours=24),)), now=NOW)
    assert not verdict.allowed
    assert verdict.frees_at is None


def test_a_cap_of_a_class_counts_that_class():
    cap = Cap(limit=1, hours=24, message_class="promotional")
    assert checks.frequency_caps(facts(caps=(cap,), intents=got(1, message_class="lifecycle")), now=NOW).allowed
    assert not checks.frequency_caps(facts(caps=(cap,), intents=got(1)), now=NOW).allowed


def test_a_deferring_cap_waits_only_while_the_message_lives():
    cap = Cap(limit=1, hours=24, defers=True)
    assert checks.frequency_caps(facts(caps=(cap,), intents=got(2)), now=NOW).effect == Effect.DEFER
    short = a_wave(expires_at=NOW + dt.timedelta(hours=1))
    assert checks.frequency_caps(facts(caps=(cap,), intents=got(2), wave=short), now=NOW).effect == Effect.HOLD_BACK


def test_a_cool_down_waits_for_its_minutes():
    rules = SendingRules(quiet_from=None, quiet_until=None, cool_down_minutes=90)
    verdict = checks.cool_down(facts(rules=rules, intents=got(1)), now=NOW)
    assert verdict.frees_at == NOW + dt.timedelta(minutes=30)
    assert checks.cool_down(facts(rules=rules, intents=got(2)), now=NOW).allowed


def test_transactional_messages_pass_caps_and_cool_down():
    rules = SendingRules(quiet_from=None, quiet_until=None, cool_down_minutes=90)
    one = facts(rules=rules, caps=(Cap(limit=0, hours=24),), intents=got(1), wave=a_wave(message_class="transactional"))
    assert all(verdict.allowed for verdict in judge(one, now=NOW))


@pytest.mark.parametrize(("arm", "reason"), [("control", "control"), ("global_holdout", "global_holdout")])
def test_who_is_held_out_is_recorded_as_such(arm, reason):
    verdict = judge(facts(arm=arm, wave=a_wave(control_share=1000)), now=NOW, gates=AFTER_CONTENT)[-1]
    assert (verdict.reason, verdict.effect) == (reason, Effect.HOLD_OUT)


DIFFERENCES = (
    {},
    {"arm": "control"},
    {"arm": "global_holdout"},
    {"profile_id": 2},
    {"planned_epoch": 5},
    {"had_intent": True},
    {"exists": False},
    {"erased": True},
    {"zone": "Asia/Tokyo"},
    {"devices": []},
    {"devices": [], "is_reassigned": True},
    {"devices": [replace(LIVE, dead="gone")]},
    {"devices": [LIVE, replace(LIVE, id=2)]},
    {"choices": {7: ChoiceFacts("in", None, None)}},
    {"choices": {7: ChoiceFacts("out", 3, NOW)}},
    {"choices": {7: ChoiceFacts("in", 3, NOW)}},
    {"choices": {None: ChoiceFacts("out", 3, NOW)}},
    {"intents": got(1)},
    {"intents": got(1, 2)},
    {"earlier": {1: EarlierPush(1, 9, "sent", 1, None, NOW, "")}},
    {"own_end": NOW - dt.timedelta(hours=1)},
    {"own_end": NOW + dt.timedelta(hours=1)},
)


@pytest.mark.parametrize("default_on", [True, False])
@pytest.mark.parametrize("late", [0, 90])
def test_judged_together_everyone_gets_the_verdicts_they_get_alone(default_on, late):
    wave = a_wave(NOW - dt.timedelta(minutes=late), topic=Topic(pk=7, name="Offers", default_on=default_on))
    shared = {"wave": wave, "rules": night("20:30", "08:00"), "caps": (Cap(limit=2, hours=24),)}
    everyone = [facts(**shared, **{**one, **another}) for one in DIFFERENCES for another in DIFFERENCES]

    def told(verdicts):
        return [asdict(verdict) for verdict in verdicts]

    alone = [(told(judge(one, now=NOW)), told(judge(one, now=NOW, gates=AFTER_CONTENT))) for one in everyone]
    for batch, expected in ((everyone, alone), (everyone[::-1], alone[::-1])):
        together = judge_each(batch, now=NOW)
        assert [(told(before), told(after)) for _, before, after in together] == expected
