"""Building a segment: the form and the rule are two ways to say the same."""

import datetime as dt
import re

import pytest
from django.contrib.auth.models import User

from audiences.models import AttributeName, EventName, Segment
from audiences.segments.language import parse
from console.builder.segment_draft import at, blank, change, from_form, from_rule, place_of, to_rule, walk
from console.builder.segment_words import sentence
from console.builder.segments import STARTS
from tests import make

pytestmark = pytest.mark.django_db

RULES = [
    {"all": [{"everyone": True}]},
    {"all": [{"attribute": "plan", "kind": "string", "op": "=", "value": "trial", "ignore_case": True}]},
    {
        "any": [
            {"attribute": "age", "kind": "number", "op": "between", "value": [1, 2.5]},
            {"attribute": "x", "op": "missing"},
        ]
    },
    {"none": [{"attribute": "$created_at", "kind": "date", "op": "in the last", "value": "3w"}]},
    {"all": [{"attribute": "tags", "kind": "list", "op": "contains any", "value": ["a", 3]}]},
    {"all": [{"attribute": "name", "kind": "string", "op": "length", "compare": ">=", "value": 3}]},
    {"all": [{"attribute": "vip", "kind": "bool", "op": "is true"}]},
    {
        "exactly_one": [
            {
                "event": "Bought",
                "count": {"op": "between", "value": [0, 2]},
                "window": {"between": ["2026-01-01", "2026-02-01"]},
            },
            {
                "event": "Seen",
                "count": {"op": ">=", "value": 1},
                "window": {"last": "14d"},
                "where": [{"property": "category", "kind": "string", "op": "in", "value": ["a", "b"]}],
            },
        ]
    },
    {
        "all": [
            {
                "sequence": {
                    "first": {
                        "event": "Added",
                        "where": [{"property": "price", "kind": "number", "op": ">", "value": 5}],
                    },
                    "then": {"event": "Bought"},
                    "within": "2d",
                    "happened": False,
                    "window": {"after": "2026-01-01"},
                }
            }
        ]
    },
    {"all": [{"topic": "offers", "choice": "out"}, {"device": []}, {"device": [{"field": "live", "op": "is true"}]}]},
    {"all": [{"device": [{"field": "platform", "kind": "string", "op": "=", "value": "web"}]}]},
    {"all": [{"bucket": {"salt": "s", "from": 0, "to": 1249}}]},
    {"all": [{"any": [{"none": [{"everyone": True}]}]}]},
]


def posted(draft):
    """A draft as the page would post it."""
    from console.builder.segment_draft import FIELDS, TEST_FIELDS, TESTS

    data = {}
    for place, _, node in walk(draft):
        data[f"{place}:type"] = node["type"]
        data |= {f"{place}:{name}": node[name] for name in FIELDS[node["type"]]}
        for tests in TESTS.get(node["type"], ()):
            for number, test in enumerate(node[tests]):
                data |= {f"{place}:{tests}:{number}:{name}": test[name] for name in TEST_FIELDS}
    return data


def normal(rule):
    """Defaults that a form always writes out, written out."""
    text = repr(rule)
    return re.sub(r"'field': '(\w+)', 'kind': '\w+'", r"'field': '\1'", text)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_rule_survives_the_form(rule):
    parse(rule, lookup=lambda pk: {"everyone": True})
    again = to_rule(from_form(posted(from_rule(rule))))
    assert parse(again) == parse(rule)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_every_condition_has_a_sentence(rule):
    for _, _, node in walk(from_rule(rule)):
        assert sentence(node)


@pytest.mark.parametrize("key", STARTS)
def test_the_starting_points_are_valid(key):
    parse(to_rule(from_rule(STARTS[key][1])))


def test_buttons_change_the_draft_where_they_stand():
    draft = from_rule(None)
    draft = change(draft, "add:r:group")
    draft = change(draft, "add:r.0:event")
    draft = change(draft, "test:r.0.0:where")
    assert len(at(draft, "r.0.0")["where"]) == 1
    draft = change(draft, "untest:r.0.0:where:0")
    draft = change(draft, "remove:r.0.0")
    assert at(draft, "r.0")["children"] == []
    for nonsense in ("", "add", "remove:r", "add:x:event", "add:r:bomb", "untest:r.9:where:0", "remove:r.a"):
        assert change(draft, nonsense) == draft


def test_a_refusals_path_leads_to_its_row():
    assert place_of(("all", 0, "any", 2, "where", 0, "value")) == ("r.0.2", "where.0.value")


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_superuser("anna", password="x"))
    return client


def test_what_is_saved_is_the_rule(staff):
    draft = from_rule(STARTS["cart"][1])
    response = staff.post("/console/segments/new/", {"name": "Cart", **posted(draft)})
    assert response.status_code == 302
    assert parse(Segment.objects.get(name="Cart").rule) == parse({"all": [STARTS["cart"][1]]})


@pytest.mark.parametrize(
    ("change_", "words"),
    [
        ({"name": ""}, "Give it a name"),
        ({"r.0:event": ""}, "Choose an event"),
        ({"r.0:span": "x"}, "Give a time such as"),
    ],
)
def test_what_is_wrong_is_said_beside_it_and_nothing_is_saved(staff, change_, words):
    draft = from_rule({"event": "Bought", "window": {"last": "3d"}})
    page = staff.post("/console/segments/new/", {"name": "X", **posted(draft), **change_})
    assert page.status_code == 400
    assert words in page.content.decode()
    assert not Segment.objects.exists()


def test_a_saved_rule_that_changes_is_a_new_version(staff):
    segment = make.segment({"all": [{"everyone": True}]})
    draft = from_rule({"event": "Bought"})
    staff.post(f"/console/segments/{segment.pk}/edit/", {"name": segment.name, **posted(draft)})
    segment.refresh_from_db()
    assert segment.version == 2


def test_the_type_seen_in_the_data_is_the_type_compared(staff, now):
    AttributeName.objects.create(name="age", kinds={"number": 5, "string": 1}, last_seen_at=now)
    EventName.objects.create(name="Bought", properties={"total": {"number": 3}}, first_seen_at=now, last_seen_at=now)
    draft = from_rule({"attribute": "age", "kind": "string", "op": "contains", "value": "1"})
    page = staff.post("/console/segments/build/tree/", posted(draft)).content.decode()
    assert re.search(r'<option value="number" selected>', page)


def test_the_reach_counts_and_shows_examples(staff):
    someone = make.profile(attributes={"first_name": "Ada", "plan": "x"})
    make.device(someone)
    make.profile()
    draft = from_rule({"attribute": "plan", "kind": "string", "op": "=", "value": "x"})
    page = staff.post("/console/segments/build/reach/", posted(draft)).content.decode()
    assert re.findall(r'<b class="hd-number">(\d+)</b>', page) == ["1"] * 6
    assert "Ada" in page


@pytest.mark.parametrize("crooked", ["x", "1 OR 1=1", "-1", "1.5", "9" * 40, "\0", "²"])
def test_a_crooked_topic_counts_as_any_topic(staff, crooked):
    someone = make.profile()
    make.device(someone)
    draft = from_rule({"everyone": True})
    answer = staff.post("/console/segments/build/reach/", {"topic": crooked, **posted(draft)})
    assert answer.status_code == 200
    assert re.findall(r'<b class="hd-number">(\d+)</b>', answer.content.decode()) == ["1"] * 6


def test_what_was_just_added_is_not_called_wrong_before_it_is_written(staff):
    added = staff.post("/console/segments/build/tree/", {"do": "add:r:event", **posted(from_rule(None))})
    assert "Choose an event" not in added.content.decode()
    draft = change(from_rule(None), "add:r:event")
    assert "Choose an event" in staff.post("/console/segments/build/tree/", posted(draft)).content.decode()


def test_one_profile_is_explained_with_what_was_found(staff, real_now):
    someone = make.profile("p-1", attributes={"plan": "free"})
    make.event(someone, "Bought", at=real_now)
    draft = from_rule(
        {"all": [{"attribute": "plan", "kind": "string", "op": "=", "value": "paid"}, {"event": "Bought"}]}
    )
    page = staff.post("/console/segments/build/why/", {"who": "p-1", **posted(draft)}).content.decode()
    assert "not in" in page
    assert "found: free" in page
    assert "found: once, last" in page
    make.event(someone, "Carted", at=real_now - dt.timedelta(days=5))
    carted = {"first": {"event": "Carted"}, "then": {"event": "Bought"}, "within": "2d", "window": {"ever": True}}
    for happened, found in ((False, "UTC, and no Bought in time"), (True, "found: Carted once, Bought once")):
        draft = from_rule({"sequence": carted | {"happened": happened}})
        assert found in staff.post("/console/segments/build/why/", {"who": "p-1", **posted(draft)}).content.decode()
    missing = staff.post("/console/segments/build/why/", {"who": "nobody", **posted(draft)}).content.decode()
    assert "There is no profile" in missing


def test_names_from_the_data_are_shown_inert(staff, now):
    bad = "<script>alert(1)</script>"
    EventName.objects.create(name=bad, properties={bad: {"string": 1}}, first_seen_at=now, last_seen_at=now)
    AttributeName.objects.create(name=bad, kinds={"string": 1}, last_seen_at=now)
    assert bad not in staff.get("/console/segments/new/").content.decode()


def test_building_is_for_those_who_may(client):
    client.force_login(User.objects.create_user("bob", password="x", is_staff=True))
    assert client.get("/console/segments/new/").status_code == 403
    assert client.post("/console/segments/build/tree/").status_code == 403


def test_a_new_condition_starts_with_what_most_people_want():
    assert blank("sequence")["happened"] == "no"
    assert blank("event")["times"] == "1"
