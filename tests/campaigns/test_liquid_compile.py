"""A compiled template writes what the library writes, and fails where it fails."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from liquid.exceptions import LiquidError

from campaigns.liquid.compile import NotCompilable, compiled, interpreted
from campaigns.liquid.environment import parse
from tests.campaigns.liquid_texts import COMPILABLE, CONTEXTS

FAULTS = (LiquidError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError)


def outcome(render: Any, context: dict[str, Any]) -> Any:
    try:
        return render(context)
    except FAULTS as error:
        return type(error)


@settings(max_examples=1_500, deadline=None, suppress_health_check=list(HealthCheck))
@given(source=COMPILABLE, context=CONTEXTS)
def test_a_compiled_template_equals_the_interpreted_one(source: str, context: dict[str, Any]) -> None:
    template = parse(source)
    try:
        quick = compiled(template)
    except NotCompilable:
        assume(False)
    assert outcome(quick, context) == outcome(interpreted(template), context)


def test_a_loop_is_left_to_the_library():
    with pytest.raises(NotCompilable):
        compiled(parse("{% for one in profile.tags %}{{ one }}{% endfor %}"))


@pytest.mark.parametrize(
    "source, context, text",
    [
        ("Hi {{ profile.first_name | default: 'you' }}", {}, "Hi you"),
        ("Hi {{ profile.first_name | capitalize | default: 'you' }}", {"profile": {"first_name": None}}, "Hi you"),
        ("Hi {{ profile.first_name | default: 'you' }}", {"profile": {"first_name": "  "}}, "Hi you"),
        ("{{ profile.count | default: 9 }}", {"profile": {"count": 0}}, "0"),
        (
            "{{ last['Product Added'].name | default: 'your pick' }}",
            {"last": {"Product Added": {"name": "Mug"}}},
            "Mug",
        ),
        ("{% if profile.a == blank %}none{% else %}{{ profile.a }}{% endif %}", {"profile": {"a": " "}}, "none"),
        ("{% if profile.a %}a{% elsif profile.b > 2 %}b{% else %}c{% endif %}", {"profile": {"b": 3}}, "b"),
        ("{% unless profile.vip %}no{% endunless %}", {"profile": {"vip": False}}, "no"),
        ("{% case profile.plan %}{% when 'a', 'b' %}ab{% else %}?{% endcase %}", {"profile": {"plan": "b"}}, "ab"),
        ("{% assign x = profile.n | times: 2 | default: 0 %}{{ x }}", {"profile": {"n": 4}}, "8"),
        ("{{ profile.tags | join: ', ' | default: '-' }}", {"profile": {"tags": ["a", None, "b"]}}, "a, b"),
    ],
)
@pytest.mark.parametrize("how", [compiled, interpreted])
def test_both_ways_write_what_is_meant(how: Any, source: str, context: dict[str, Any], text: str) -> None:
    assert how(parse(source))(context)[0] == text


@pytest.mark.parametrize("how", [compiled, interpreted])
def test_a_fallback_that_stood_in_is_told(how: Any) -> None:
    render = how(parse("{{ profile.a | default: 'x' }}"))
    assert render({"profile": {"a": "y"}}) == ("y", False)
    assert render({}) == ("x", True)
