"""Answers that need no server: what Retry-After means, and Windows' own codes."""

import datetime as dt
from email.utils import format_datetime

import pytest

from delivery.gateways.base import Action
from delivery.gateways.outcomes import retry_after
from delivery.gateways.outcomes_webpush import outcome_of
from delivery.http import Answer

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7),
        (" 120 ", 120),
        ("0", 1),
        ("-5", 1),
        ("1000000000", 3600),
        ("soon", 60),
        ("", 60),
        ("1.5e3", 60),
        (format_datetime(NOW + dt.timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - dt.timedelta(days=1), usegmt=True), 1),
    ],
)
def test_retry_after_is_read_and_held_within_an_hour(said, seconds):
    assert retry_after(said, now=NOW) == seconds


def test_windows_asks_to_slow_down_with_406():
    assert outcome_of(Answer("answered", 406), host="wns2.notify.windows.com", now=NOW).action == Action.HOLD
    assert outcome_of(Answer("answered", 406), host="fcm.googleapis.com", now=NOW).action == Action.FIX


def test_throttling_without_a_time_waits_a_minute():
    assert outcome_of(Answer("answered", 429), host="x", now=NOW).wait == 60


def test_googles_unauthorized_registration_is_our_configuration_not_their_device():
    answer = Answer("answered", 400, body=b"<TITLE>UnauthorizedRegistration</TITLE>")
    assert outcome_of(answer, host="fcm.googleapis.com", now=NOW).action == Action.PAUSE


@pytest.mark.parametrize("body", [b"\xff\xfe", b"[1]", b'{"errno": "x"}', b"", b"{" * 500])
def test_a_strange_body_is_no_error(body):
    assert outcome_of(Answer("answered", 400, body=body), host="x", now=NOW).action == Action.FIX


@pytest.mark.parametrize(
    ("proved", "action"),
    [
        ("never_sent", Action.RETRY),
        ("not_begun", Action.NOT_BEGUN),
        ("unknown", Action.UNKNOWN),
        ("unsafe", Action.FIX),
    ],
)
def test_what_was_not_answered_is_only_tried_again_when_nothing_was_sent(proved, action):
    assert outcome_of(Answer(proved), host="x", now=NOW).action == action
