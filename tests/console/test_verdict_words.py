"""Every reason has words, and the gates' values become sentences."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

from console.verdict_words import GATES, REASONS, reason_words, said
from delivery.gateways.outcomes import NOT_ANSWERED
from delivery.gateways.outcomes_apns import APNS
from delivery.gateways.outcomes_fcm import FCM
from delivery.gateways.outcomes_webpush import WEB_PUSH


def documented_reasons() -> list[str]:
    """The codes in the tables of docs/reasons.md."""
    page = settings.BASE_DIR / "docs" / "reasons.md"
    return re.findall(r"^\|\s*`([a-z_]+)`", page.read_text(), flags=re.M) if page.exists() else []


@pytest.mark.parametrize(
    "reason", documented_reasons() or [pytest.param("", marks=pytest.mark.skip("no docs/reasons.md yet"))]
)
def test_every_documented_reason_has_words(reason: str) -> None:
    assert reason in REASONS


def test_every_reason_of_a_gate_and_every_gate_has_words() -> None:
    code = (settings.BASE_DIR / "delivery" / "gates" / "checks.py").read_text()
    reasons = set(re.findall(r'Verdict\.no\(\s*"[a-z_]+",\s*"([a-z_]+)"', code))
    gates = set(re.findall(r'Verdict\.(?:no|yes)\(\s*"([a-z_]+)"', code))
    assert len(reasons) > 10
    assert reasons <= set(REASONS)
    assert gates <= set(GATES)


def test_every_reason_that_delivery_writes_has_words() -> None:
    code = "\n".join(path.read_text() for path in (settings.BASE_DIR / "delivery").rglob("*.py"))
    said = r'reason = "([a-z_]+)"|reason="([a-z_]+)"|Unrenderable\("([a-z_]+)"'
    written = set(re.findall(rf'{said}|Outcome\(\s*Action\.[A-Z_]+,\s*"([a-z_]+)"|_end\([^)]*"([a-z_]+)"', code))
    assert {reason for found in written for reason in found if reason} <= set(REASONS)


def test_every_answer_of_a_push_service_has_words() -> None:
    assert {rule.reason for rule in (*WEB_PUSH, *FCM, *APNS)} <= set(REASONS)
    assert {outcome.reason for outcome in NOT_ANSWERED.values()} <= set(REASONS)


def test_a_code_without_words_is_shown_as_it_is() -> None:
    assert reason_words("some_new_reason") == "Some new reason"


def test_a_cap_tells_its_numbers_and_when_it_frees_by_the_profiles_clock() -> None:
    verdict = {
        "gate": "frequency_cap",
        "allowed": False,
        "reason": "frequency_cap",
        "values": {"seen": 7, "cap": 5, "hours": 168},
        "frees_at": "2026-11-24T17:40:00+00:00",
    }
    [line] = said([verdict], zone="Europe/Berlin")
    assert line.words == "7 pushes in 7 days; the cap is 5; frees Tuesday 24 Nov 18:40"
    assert not line.allowed


def test_values_that_no_sentence_fits_are_listed() -> None:
    [line] = said([{"gate": "expiry", "allowed": False, "reason": "late", "values": {"minutes": 30}}])
    assert line.words == "It was later than is tolerated; minutes 30"
    [odd] = said([{"gate": "frequency_cap", "allowed": True, "values": {"seen": "many"}}])
    assert odd.words == "seen many"


def test_gates_tell_their_values_in_a_marketers_words() -> None:
    lines = said(
        [
            {"gate": "cool_down", "allowed": False, "reason": "cool_down", "values": {"minutes": 120}},
            {"gate": "content", "allowed": True, "values": {"used_fallback": True}},
            {"gate": "control", "allowed": False, "reason": "control", "values": {"percent": 10.0}},
        ]
    )
    assert [line.words for line in lines] == [
        "The last message was too short a time ago; 2 hours must lie between two messages",
        "a fallback stood in for something that is not known",
        "Left alone, to compare with; 10 % of the audience are, drawn by lot",
    ]


def test_a_message_that_was_not_judged_has_no_lines() -> None:
    assert said(None) == []
