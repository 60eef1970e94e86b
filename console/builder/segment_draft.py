"""A rule while it is being edited: plain dictionaries that may be incomplete, as the form's fields have them.

A node is {"type": …, …}. Groups have "join" and "children"; each condition has its fields as text, as a person typed them.
`from_rule` and `to_rule` translate; `from_form` reads what the page posts, where a node's fields are named `<id>:<field>` and
its id is its place: `r`, `r.0`, `r.0.2`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audiences.segments.operators import OPERATORS
from audiences.segments.reading import UNITS

Draft = dict[str, Any]
JOINS = ("all", "any", "none", "exactly_one")
TYPES = ("attribute", "event", "sequence", "topic", "device", "segment", "everyone", "bucket", "group")
FIELDS: dict[str, tuple[str, ...]] = {
    "group": ("join",),
    "attribute": ("attribute", "kind", "op", "value", "value2", "unit", "compare", "ignore_case"),
    "event": ("event", "count", "times", "times2", "window", "span", "unit", "start", "end"),
    "sequence": ("first", "then", "happened", "within", "within_unit", "window", "span", "unit", "start", "end"),
    "topic": ("topic", "choice"),
    "device": ("which",),
    "segment": ("segment", "member"),
    "everyone": (),
    "bucket": ("percent", "salt"),
}
TEST_FIELDS = ("name", "kind", "op", "value", "value2", "unit", "compare", "ignore_case")
# Which list of property tests a type has, by its name in the form.
TESTS = {"event": ("where",), "sequence": ("first_where", "then_where"), "device": ("tests",)}
MANY = ("in", "not in", "contains any", "contains all", "contains none")
PAIRS = ("between", "not between")
SPANS = ("in the last", "more than ago", "in the next", "more than ahead")
BARE = ("exists", "missing", "is empty", "is true", "is false")


def blank(kind: str) -> Draft:
    """A new condition of this type, with what most people will want already chosen."""
    made: Draft = {"type": kind} | dict.fromkeys(FIELDS[kind], "")
    made |= {name: [] for name in TESTS.get(kind, ())}
    defaults: dict[str, Draft] = {
        "group": {"join": "any", "children": []},
        "attribute": {"kind": "string", "op": "=", "unit": "d", "compare": ">="},
        "event": {"count": ">=", "times": "1", "window": "last", "span": "30", "unit": "d"},
        "sequence": {"happened": "no", "within": "2", "within_unit": "d", "window": "last", "span": "14", "unit": "d"},
        "topic": {"choice": "in"},
        "device": {"which": "live"},
        "segment": {"member": "yes"},
        "bucket": {"percent": "10", "salt": "share"},
    }
    return made | defaults.get(kind, {})


def blank_test() -> Draft:
    return dict.fromkeys(TEST_FIELDS, "") | {"kind": "string", "op": "=", "unit": "d", "compare": ">="}


def from_rule(rule: Mapping[str, Any] | None) -> Draft:
    """The draft of a saved rule. What is not a group becomes the one condition of an `all`."""
    node = _node(rule) if rule else blank("group") | {"join": "all"}
    return node if node["type"] == "group" else {"type": "group", "join": "all", "children": [node]}


def _node(rule: Mapping[str, Any]) -> Draft:
    for join in JOINS:
        if join in rule:
            return {"type": "group", "join": join, "children": [_node(child) for child in rule[join]]}
    if "not" in rule:
        return {"type": "group", "join": "none", "children": [_node(rule["not"])]}
    if "attribute" in rule:
        return {"type": "attribute", "attribute": rule["attribute"], **_test(rule)}
    if "event" in rule:
        made = blank("event") | {"event": rule["event"], "where": _tests(rule.get("where", []), "property")}
        count = rule.get("count", {"op": ">=", "value": 1})
        pair = count["value"] if isinstance(count["value"], list) else [count["value"], ""]
        return made | {"count": count["op"], "times": str(pair[0]), "times2": str(pair[1])} | _window(rule)
    if "sequence" in rule:
        said = rule["sequence"]
        amount, unit = _span(said["within"])
        return (
            blank("sequence")
            | {
                "first": said["first"]["event"],
                "then": said["then"]["event"],
                "first_where": _tests(said["first"].get("where", []), "property"),
                "then_where": _tests(said["then"].get("where", []), "property"),
                "happened": "yes" if said.get("happened", True) else "no",
                "within": amount,
                "within_unit": unit,
            }
            | _window(said)
        )
    if "topic" in rule:
        return {"type": "topic", "topic": rule["topic"], "choice": rule["choice"]}
    if "device" in rule:
        tests = rule["device"]
        which = "any" if not tests else "live" if tests == [_LIVE] else "where"
        return {"type": "device", "which": which, "tests": _tests(tests, "field") if which == "where" else []}
    if "segment" in rule:
        return {
            "type": "segment",
            "segment": str(rule["segment"]),
            "member": "yes" if rule.get("member", True) else "no",
        }
    if "bucket" in rule:
        return {
            "type": "bucket",
            "percent": f"{(rule['bucket']['to'] + 1 - rule['bucket']['from']) / 100:g}",
            "salt": rule["bucket"]["salt"],
        }
    return {"type": "everyone"}


_LIVE = {"field": "live", "op": "is true"}


def _tests(rules: Sequence[Mapping[str, Any]], name: str) -> list[Draft]:
    return [{"name": rule[name], **_test(rule)} for rule in rules]


def _test(rule: Mapping[str, Any]) -> Draft:
    made = blank_test()
    del made["name"]
    op, value = rule["op"], rule.get("value")
    made |= {"kind": rule.get("kind", "string"), "op": op, "compare": rule.get("compare", ">=")}
    made["ignore_case"] = "on" if rule.get("ignore_case") else ""
    if op in SPANS:
        made["value"], made["unit"] = _span(str(value))
    elif op in PAIRS and isinstance(value, list):
        made["value"], made["value2"] = map(str, value)
    elif isinstance(value, list):
        made["value"] = ", ".join(map(str, value))
    elif value is not None:
        made["value"] = str(value)
    return made


def _window(rule: Mapping[str, Any]) -> Draft:
    ((kind, value),) = rule.get("window", {"ever": True}).items()
    made = {"window": kind, "span": "", "start": "", "end": ""}
    if kind == "last":
        made["span"], made["unit"] = _span(value)
    elif kind == "between":
        made["start"], made["end"] = value
    elif kind in ("after", "before"):
        made["start"] = value
    return made


def _span(text: str) -> tuple[str, str]:
    found = re.fullmatch(r"(\d+)([mhdw])", text)
    return (found[1], found[2]) if found else (text, "d")


def from_form(data: Mapping[str, str], place: str = "r") -> Draft:
    """The draft that a page posted."""
    kind = data.get(f"{place}:type", "group")
    if kind not in TYPES:
        kind = "everyone"
    made: Draft = {"type": kind} | {name: data.get(f"{place}:{name}", "").strip() for name in FIELDS[kind]}
    for tests in TESTS.get(kind, ()):
        made[tests] = []
        while f"{place}:{tests}:{len(made[tests])}:name" in data:
            at = f"{place}:{tests}:{len(made[tests])}"
            made[tests].append({name: data.get(f"{at}:{name}", "").strip() for name in TEST_FIELDS})
    if kind == "group":
        made["join"] = made["join"] if made["join"] in JOINS else "all"
        made["children"] = []
        while f"{place}.{len(made['children'])}:type" in data:
            made["children"].append(from_form(data, f"{place}.{len(made['children'])}"))
    return made


def to_rule(draft: Draft) -> dict[str, Any]:
    """The rule that a draft says. What is not filled in stays so, and parsing it says where."""
    kind = draft["type"]
    if kind == "group":
        return {draft["join"]: [to_rule(child) for child in draft["children"]]}
    if kind == "attribute":
        return {"attribute": draft["attribute"], **_test_rule(draft)}
    if kind == "event":
        times: Any = _whole(draft["times"])
        if draft["count"] == "between":
            times = [times, _whole(draft["times2"])]
        return {
            "event": draft["event"],
            "count": {"op": draft["count"], "value": times},
            "window": _window_rule(draft),
            **_where(draft["where"]),
        }
    if kind == "sequence":
        return {
            "sequence": {
                "first": {"event": draft["first"], **_where(draft["first_where"])},
                "then": {"event": draft["then"], **_where(draft["then_where"])},
                "within": f"{draft['within']}{draft['within_unit'] or 'd'}",
                "happened": draft["happened"] == "yes",
                "window": _window_rule(draft),
            }
        }
    if kind == "topic":
        return {"topic": draft["topic"], "choice": draft["choice"]}
    if kind == "device":
        tests = [{"field": test["name"], **_test_rule(test)} for test in draft["tests"]]
        return {"device": {"any": [], "live": [_LIVE]}.get(draft["which"], tests)}
    if kind == "segment":
        number = int(draft["segment"]) if draft["segment"].isdigit() else None
        return {"segment": number, "member": draft["member"] != "no"}
    if kind == "bucket":
        try:
            last = round(float(draft["percent"]) * 100) - 1
        except ValueError:
            last = -1
        return {"bucket": {"salt": draft["salt"], "from": 0, "to": last}}
    return {"everyone": True}


def _where(tests: Sequence[Draft]) -> dict[str, Any]:
    return {"where": [{"property": test["name"], **_test_rule(test)} for test in tests]} if tests else {}


def _window_rule(draft: Draft) -> dict[str, Any]:
    kind = draft["window"]
    if kind == "last":
        return {"last": f"{draft['span']}{draft['unit'] or 'd'}"}
    if kind == "between":
        return {"between": [draft["start"], draft["end"]]}
    return {kind: draft["start"]} if kind in ("after", "before") else {"ever": True}


def _test_rule(draft: Draft) -> dict[str, Any]:
    kind, op, value = draft["kind"], draft["op"], draft["value"]
    if op in ("exists", "missing"):
        return {"op": op}
    rule: dict[str, Any] = {"kind": kind, "op": op}
    if draft.get("ignore_case") and kind == "string":
        rule["ignore_case"] = True
    if op in BARE:
        return rule
    if op in SPANS:
        return rule | {"value": f"{value}{draft['unit'] or 'd'}"}
    if op == "length":
        return rule | {"compare": draft["compare"], "value": _whole(value)}
    if op in PAIRS:
        return rule | {"value": [_typed(kind, value), _typed(kind, draft["value2"])]}
    if op in MANY:
        return rule | {"value": [_typed(kind, part.strip()) for part in value.split(",") if part.strip()]}
    return rule | {"value": _typed(kind, value)}


def _typed(kind: str, text: str) -> Any:
    """A number where one is meant; a list's values are numbers where they look like one."""
    if kind == "number" or (kind == "list" and re.fullmatch(r"-?\d+(\.\d+)?", text)):
        try:
            return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
        except ValueError:
            return text
    return text


def _whole(text: str) -> Any:
    return int(text) if text.isdigit() else text


def change(draft: Draft, deed: str) -> Draft:
    """Carry out what a button says: `add:<place>:<type>`, `remove:<place>`, `test:<place>:<list>`,
    `untest:<place>:<list>:<number>`. An unknown deed changes nothing."""
    name, _, rest = deed.partition(":")
    place, _, what = rest.partition(":")
    node = at(draft, place)
    if node is None:
        return draft
    if name == "add" and node["type"] == "group" and what in TYPES:
        node["children"].append(blank(what) if what != "group" else blank("group"))
    elif name == "remove" and "." in place:
        parent, _, number = place.rpartition(".")
        holder = at(draft, parent)
        if holder is not None:
            del holder["children"][int(number)]
    elif name == "test" and what in TESTS.get(node["type"], ()):
        node[what].append(blank_test() | ({"name": "platform"} if what == "tests" else {}))
    elif name == "untest":
        tests, _, number = what.partition(":")
        if tests in TESTS.get(node["type"], ()) and number.isdigit() and int(number) < len(node[tests]):
            del node[tests][int(number)]
    return draft


def at(draft: Draft, place: str) -> Draft | None:
    """The node at a place, or None."""
    node = draft
    for part in place.split(".")[1:]:
        children = node.get("children", [])
        if not part.isdigit() or int(part) >= len(children):
            return None
        node = children[int(part)]
    return node if place.split(".")[0] == "r" else None


def place_of(path: Sequence[str | int]) -> tuple[str, str]:
    """(the node's place, what is wrong in it) of an InvalidRule's path."""
    place, rest = "r", list(path)
    while len(rest) >= 2 and rest[0] in JOINS and isinstance(rest[1], int):
        place += f".{rest[1]}"
        rest = rest[2:]
    return place, ".".join(map(str, rest))


def walk(draft: Draft, place: str = "r", depth: int = 1) -> Iterator[tuple[str, int, Draft]]:
    """(place, depth, node) of every node."""
    yield place, depth, draft
    for number, child in enumerate(draft.get("children", [])):
        yield from walk(child, f"{place}.{number}", depth + 1)


def operators_of(kind: str) -> list[str]:
    return [*OPERATORS.get(kind, {}), "exists", "missing"]


UNIT_WORDS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
assert UNIT_WORDS.keys() == UNITS.keys()
