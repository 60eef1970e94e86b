"""What marketers write: checked before publishing, bounded when rendered, and blind to everything but its facts."""

from __future__ import annotations

import random
import time

import pytest

from campaigns.content import Content, Unrenderable, check, compile_template, render_batch, trial

BOMBS = {
    "a huge range joined": "{{ (1..20000000) | join: ',' | default: 'x' }}",
    "a huge range looped": "{% for i in (1..99999999) %}x{% endfor %}",
    "nested loops": "{% for a in (1..1000) %}{% for b in (1..1000) %}{% for c in (1..1000) %}x{% endfor %}{% endfor %}{% endfor %}",
    "replace that multiplies": "{{ 'aaaaaaaaaa'" + " | replace: 'a', 'aaaaaaaaaa'" * 8 + " }}",
    "append to itself": "{% assign x = 'aaaaaaaaaaaaaaaa' %}" + "{% assign x = x | append: x %}" * 40 + "{{ x }}",
    "concat of itself": "{% assign x = 'a,b' | split: ',' %}"
    + "{% assign x = x | concat: x %}" * 40
    + "{{ x | join }}",
    "deep nesting": "{% if 1 %}" * 3000 + "x" + "{% endif %}" * 3000,
    "a long source": "x" * 100_000,
    "a date pattern with a width": "{{ 'now' | date: '%99999999d' }}",
    "a power by times": "{{ 999999999" + " | times: 999999999" * 200 + " }}",
    "many brackets": "{{ " + "a[" * 2000 + "0" + "]" * 2000 + " }}",
    "sorting again and again": "{% for i in (1..1000) %}{% assign x = (1..1000) | sort | reverse | uniq %}{% endfor %}",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_template_that_would_cost_too_much_is_refused_quickly(name):
    fields = {"title": BOMBS[name]}
    began = time.process_time()
    problems = [problem for problem in check(fields) if problem.severity == "error"]
    try:
        rendered = compile_template(fields).render({})
    except ValueError as refused:
        rendered = Unrenderable("refused", "title", str(refused))
    assert time.process_time() - began < 1.5
    assert problems or isinstance(rendered, Unrenderable)
    if isinstance(rendered, Content):
        assert len(rendered.title) < 10_000


CANARIES = [
    "{{ profile.__class__ }}",
    "{{ profile.__class__.__mro__ }}",
    "{{ settings }}",
    "{{ settings.SECRET_KEY }}",
    "{{ other_profile }}",
    "{{ other_profile.email }}",
    "{{ site.__dict__ }}",
    "{{ request.user }}",
    "{{ profile._state }}",
    "{{ self }}",
]


@pytest.mark.parametrize("source", CANARIES)
def test_nothing_but_the_facts_can_be_read(source):
    probe = source.replace(" }}", " | default: 'nothing' }}")
    try:
        compiled = compile_template({"title": probe})
    except ValueError:
        return
    assert compiled.render({"profile": {"email": "a@b.c"}, "site": {"name": "S"}}).title == "nothing"


def test_five_hundred_random_paths_find_only_what_is_there():
    draw = random.Random(5)
    words = ["profile", "email", "__class__", "last", "site", "globals", "items", "keys", "Order", "size", "0", "first"]
    for _ in range(500):
        path = ".".join(draw.choice(words) for _ in range(draw.randint(1, 5)))
        try:
            result = compile_template({"title": f"{{{{ {path} | default: '-' }}}}"}).render(
                {"profile": {"email": "here"}}
            )
        except ValueError:
            continue
        text = result.title if isinstance(result, Content) else ""
        assert "object at" not in text
        assert "<class" not in text


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"title": ""}, "title", "Write a title"),
        ({"title": "Hi {{ profile.first_name }}"}, "title", "default"),
        ({"title": "Hi", "body": "{{ last['Product Added'].name }}"}, "body", "default"),
        ({"title": "Hi {{ profile.first_name | default: 'you' "}, "title", ""),
        ({"title": "Hi {{ person.name | default: 'x' }}"}, "title", "person"),
        ({"title": "Hi {{ profile.a | shout | default: 'x' }}"}, "title", "shout"),
        ({"title": "Hi", "url": "javascript:alert(1)"}, "url", "https://"),
        ({"title": "Hi", "url": "//evil.example"}, "url", "https://"),
        ({"title": "Hi", "ttl_seconds": -1}, "ttl_seconds", "seconds"),
        ({"title": "{% include 'x' %}"}, "title", ""),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(fields, field, words):
    errors = [problem for problem in check(fields) if problem.severity == "error"]
    assert [problem.field for problem in errors][:1] == [field]
    assert words in errors[0].message


@pytest.mark.parametrize(
    "title",
    [
        "Hi {{ profile.first_name | default: 'you' }}",
        "{% if profile.first_name %}Hi {{ profile.first_name }}{% else %}Hi{% endif %}",
        "Plain words",
        "{{ last['Product Added'].name | default: 'your pick' }} waits",
    ],
)
def test_a_field_with_a_fallback_publishes(title):
    assert not [problem for problem in check({"title": title}) if problem.severity == "error"]


def test_a_batch_renders_each_profile_with_its_own_facts():
    compiled = compile_template({"title": "Hi {{ profile.first_name | default: 'you' }}", "body": "b"})
    found = render_batch(compiled, [{"profile": {"first_name": "Ada"}}, {"profile": {}}, {}])
    assert [(one.title, one.used_fallback) for one in found] == [("Hi Ada", False), ("Hi you", True), ("Hi you", True)]


@pytest.mark.parametrize(
    ("fields", "context", "reason"),
    [
        ({"title": "{{ profile.a }}"}, {}, "missing_value"),
        ({"title": "{{ profile.a | default: ' ' }}"}, {}, "empty"),
        (
            {"title": "x", "url": "{{ profile.link | default: '/' }}"},
            {"profile": {"link": "http://evil"}},
            "link_not_allowed",
        ),
        ({"title": "{{ profile.a | default: '' }}"}, {"profile": {"a": "x" * 9000}}, "unrenderable"),
    ],
)
def test_what_cannot_be_shown_says_why(fields, context, reason):
    result = compile_template(fields).render(context)
    assert isinstance(result, Unrenderable)
    assert result.reason == reason


def test_a_template_that_reads_nothing_renders_once():
    compiled = compile_template({"title": "Plain", "body": "words"})
    assert compiled.is_static
    assert compiled.render({}) is compiled.render({"profile": {"a": 1}})


def test_a_trial_warns_of_the_samples_that_would_be_held_back():
    fields = {"title": "{{ profile.a }}"}
    (problem,) = trial(fields, [{"profile": {"a": "x"}}, {"profile": {}}])
    assert problem.severity == "warning"
    assert "For one of the people seen last: profile.a is empty" in problem.message
