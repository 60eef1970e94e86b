"""What the language refuses, where, and in which words; and that the docs know every operator."""

import pytest
from django.conf import settings

from audiences.segments.language import InvalidRule, parse
from audiences.segments.operators import OPERATORS

REFUSED = [
    ({}, (), "Choose what this condition is about"),
    ([], (), "A condition is missing"),
    ({"all": []}, ("all",), "Add a condition"),
    ({"all": [{}], "any": []}, ("any",), "no meaning"),
    ({"all": [{"everyone": True}, {"attribute": ""}]}, ("all", 1, "attribute"), "Choose an attribute"),
    ({"attribute": "$secret", "op": "exists"}, ("attribute",), "no attribute"),
    ({"attribute": "a", "kind": "text", "op": "="}, ("kind",), "Choose the type"),
    ({"attribute": "a", "kind": "string", "op": "~"}, ("op",), "Choose one of"),
    ({"attribute": "a", "kind": "string", "op": "="}, ("value",), "Write the text"),
    ({"attribute": "a", "kind": "string", "op": "=", "value": "\0"}, ("value",), "Write the text"),
    ({"attribute": "a", "kind": "number", "op": "=", "value": "5"}, ("value",), "Give a number"),
    ({"attribute": "a", "kind": "number", "op": "=", "value": True}, ("value",), "Give a number"),
    ({"attribute": "a", "kind": "number", "op": "=", "value": float("nan")}, ("value",), "Give a number"),
    ({"attribute": "a", "kind": "number", "op": "between", "value": [5, 1]}, ("value",), "the smaller first"),
    ({"attribute": "a", "kind": "date", "op": "before", "value": "2026-02-31"}, ("value",), "Give a date"),
    ({"attribute": "a", "kind": "date", "op": "in the last", "value": "3 days"}, ("value",), "Give a time"),
    ({"attribute": "a", "kind": "string", "op": "in", "value": []}, ("value",), "Give 1 to 100"),
    ({"event": "", "window": {"ever": True}}, ("event",), "Choose an event"),
    ({"event": "A", "count": {"op": "=", "value": 0}}, ("window",), "Say in which time"),
    ({"event": "A", "count": {"op": "=", "value": -1}}, ("count", "value"), "whole number"),
    ({"event": "A", "window": {"last": "0d"}}, ("window", "last"), "Give a time"),
    ({"event": "A", "window": {"since": "x"}}, ("window",), "in which time"),
    (
        {"event": "A", "where": [{"property": "p", "kind": "string", "op": "="}]},
        ("where", 0, "value"),
        "Write the text",
    ),
    ({"sequence": {"first": {"event": "A"}}}, ("sequence", "then"), "Choose an event"),
    ({"topic": "t", "choice": "maybe"}, ("choice",), "Choose: opted in"),
    ({"device": [{"field": "colour", "op": "exists"}]}, ("device", 0, "field"), "Choose one of"),
    ({"bucket": {"salt": "s", "from": 5, "to": 1}}, ("bucket",), "0 to 9999"),
    ({"everyone": True, "x": 1}, (), "stands alone"),
    ({"segment": 404}, ("segment",), "does not exist"),
    ({"attribute": "a", "kind": "string", "op": "matches", "value": "(a+)+"}, ("value",), "Only single characters"),
    ({"attribute": "a", "kind": "string", "op": "matches", "value": "(?=a)"}, ("value",), "not supported"),
    ({"attribute": "a", "kind": "string", "op": "matches", "value": "a**"}, ("value",), "may not be repeated"),
    ({"attribute": "a", "kind": "string", "op": "matches", "value": "a*b*c*"}, ("value",), "At most 2"),
    ({"attribute": "a", "kind": "string", "op": "matches", "value": "(a"}, ("value",), "not closed"),
    ({"attribute": "a", "kind": "string", "op": "matches", "value": "\\1"}, ("value",), "After \\"),
    ({"attribute": "a", "kind": "string", "op": "matches", "value": "x" * 201}, ("value",), "1 to 200"),
]


def lookup(pk):
    raise KeyError(pk)


@pytest.mark.parametrize(("rule", "path", "words"), REFUSED, ids=[str(rule)[:60] for rule, _, _ in REFUSED])
def test_a_refusal_names_the_place_and_says_what_to_change(rule, path, words):
    with pytest.raises(InvalidRule) as refused:
        parse(rule, lookup=lookup)
    assert refused.value.path == path
    assert words in refused.value.message


def test_groups_nest_five_deep_and_no_deeper():
    rule = {"everyone": True}
    for _ in range(5):
        rule = {"all": [rule]}
    parse(rule)
    with pytest.raises(InvalidRule, match="nested"):
        parse({"all": [rule]})


def test_a_hundred_conditions_and_no_more():
    parse({"any": [{"everyone": True}] * 99})
    with pytest.raises(InvalidRule, match="more than 100"):
        parse({"any": [{"everyone": True}] * 100})


def test_segments_that_refer_to_each_other_in_a_circle_are_refused():
    rules = {1: {"segment": 2}, 2: {"all": [{"segment": 1}]}}
    with pytest.raises(InvalidRule, match="circle"):
        parse({"segment": 1}, lookup=rules.__getitem__)


def test_the_docs_know_every_operator():
    page = (settings.BASE_DIR / "docs" / "segments.md").read_text()
    assert {op for ops in OPERATORS.values() for op in ops if f"`{op}`" not in page} == set()
