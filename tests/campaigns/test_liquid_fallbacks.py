"""What counts as a fallback: every output that could meet a missing value is found, and no other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from liquid.exceptions import UndefinedError

from campaigns.liquid.compile import quickest
from campaigns.liquid.environment import parse
from campaigns.liquid.fallbacks import unguarded
from tests.campaigns.liquid_texts import ANYTHING, CONTEXTS
from tests.campaigns.test_liquid_compile import FAULTS

SAFE = [
    "plain",
    "{{ 'x' | upcase }}",
    "{{ profile.a | default: 'x' }}",
    "{{ profile.a | capitalize | default: 'x' | truncate: 5 }}",
    "{{ profile.a | default: site.name }}",
    "{% if profile.a %}{{ profile.a }}{% endif %}",
    "{% if profile.a.b %}{{ profile.a.b }}{{ profile.a.b | upcase }}{% endif %}",
    "{% if profile.a and profile.b > 1 %}{{ profile.a }}{{ profile.b }}{% endif %}",
    "{% if profile.a != blank %}{{ profile.a }}{% endif %}",
    "{% if profile.a == '' %}-{% else %}{{ profile.a }}{% endif %}",
    "{% if profile.a == nil or profile.b == nil %}-{% else %}{{ profile.a }}{{ profile.b }}{% endif %}",
    "{% unless profile.a %}-{% else %}{{ profile.a }}{% endunless %}",
    "{% case profile.a %}{% when 'x', 'y' %}{{ profile.a }}{% endcase %}",
    "{% for one in event.items %}{{ forloop.index }} {{ one }}{% endfor %}",
    "{% assign a = profile.a | default: 'x' %}{{ a }}",
    "{{ 'now' | date: '%A' }}",
    "{{ now | date: '%A' | upcase }}",
]
UNSAFE = [
    "{{ profile.a }}",
    "{{ profile.a | upcase }}",
    "{{ profile.a | default: profile.b }}",
    "{{ profile.a | default: 'x' | append: profile.b }}",
    "{{ profile.tags | first }}",
    "{{ now | capitalize | date: '%A' }}",
    "{{ now | date: '%A' | date: '%d' }}",
    "{% if profile.b %}{{ profile.a }}{% endif %}",
    "{% if profile.a or profile.b %}{{ profile.a }}{% endif %}",
    "{% if profile.a %}-{% else %}{{ profile.a }}{% endif %}",
    "{% if profile.a %}{% endif %}{{ profile.a }}",
    "{% case profile.a %}{% when nil %}{{ profile.a }}{% endcase %}",
    "{% case profile.a %}{% when 'x' %}-{% else %}{{ profile.a }}{% endcase %}",
    "{% for one in event.items %}{{ one.name }}{% endfor %}",
    "{% if profile.b %}{% assign a = 'x' %}{% endif %}{{ a }}",
    "{% capture a %}{% endcapture %}{{ a }}",
    "{% assign a = 'x' %}{% assign a = profile.a %}{{ a }}",
]


@pytest.mark.parametrize("source", SAFE)
def test_a_value_that_is_surely_there_needs_no_fallback(source: str) -> None:
    assert unguarded(source) == []


@pytest.mark.parametrize("source", UNSAFE)
def test_a_value_that_may_be_missing_needs_a_fallback(source: str) -> None:
    assert len(unguarded(source)) == 1


def test_the_place_is_told():
    (found,) = unguarded("Hi\n  {{ profile.a }}")
    assert (found.text, found.line, found.column) == ("{{ profile.a }}", 2, 3)


@settings(max_examples=1_500, deadline=None, suppress_health_check=list(HealthCheck))
@given(source=ANYTHING, context=CONTEXTS)
def test_a_template_whose_outputs_are_all_guarded_never_meets_a_missing_value(
    source: str, context: dict[str, Any]
) -> None:
    assume(not unguarded(source))
    context = {**context, "site": {"name": "Shop", "url": "https://shop.example"}, "now": "2026-11-24T12:00:00Z"}
    try:
        quickest(parse(source))(context)
    except UndefinedError as error:
        pytest.fail(f"{error.message}: {source}")
    except FAULTS:
        pass
