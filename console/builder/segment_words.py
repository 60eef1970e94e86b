"""A condition as a sentence, for the explanation of one profile and the summary of a rule."""

from __future__ import annotations

from console.builder.segment_draft import BARE, PAIRS, UNIT_WORDS, Draft

OPERATOR_WORDS = {
    "=": "is",
    "!=": "is not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
    "in": "is one of",
    "not in": "is none of",
    "between": "is between",
    "not between": "is not between",
    "exists": "is known",
    "missing": "is not known",
    "contains any": "contains any of",
    "contains all": "contains all of",
    "contains none": "contains none of",
    "not contains": "does not contain",
    "not starts with": "does not start with",
    "matches": "matches the pattern",
    "length": "has a length of",
    "before": "is before",
    "after": "is after",
    "on": "is on",
    "in the last": "is in the last",
    "more than ago": "is longer ago than",
    "in the next": "is in the next",
    "more than ahead": "is further ahead than",
    "starts with": "starts with",
    "ends with": "ends with",
}
COUNT_WORDS = {
    ">=": "at least",
    "<=": "at most",
    "=": "exactly",
    "!=": "not exactly",
    ">": "more than",
    "<": "fewer than",
    "between": "between",
}
JOIN_WORDS = {
    "all": "All of these are true",
    "any": "At least one of these is true",
    "none": "None of these is true",
    "exactly_one": "Exactly one of these is true",
}
DEVICE_WORDS = {
    "gateway": "webpush, fcm or apns",
    "platform": "web, android or ios",
    "browser": "such as Firefox",
    "os": "such as Windows",
    "app_version": "such as 4.1",
    "locale": "such as de-DE",
    "zone": "such as Europe/Berlin",
    "app": "the bundle id or package name",
    "environment": "production or sandbox",
    "permission": "granted, provisional, denied or default (not asked)",
    "permission_lost_at": "when it last stopped allowing notifications",
    "health": "of its address: works, stale, resubscribe or dead",
    "signed_in": "whether somebody is signed in on it",
    "web_push": "whether it is a browser",
    "live": "whether it can be pushed to",
    "last_seen_at": "when it was last heard of",
    "registered_at": "when its address was last registered",
    "created_at": "when it was first registered",
}
"""Field of a device → what it holds, beside its name in the list of fields."""

KIND_WORDS = {"string": "text", "number": "number", "bool": "yes/no", "date": "date", "list": "list"}


def sentence(draft: Draft) -> str:
    """One line for a condition, or what a group asks for."""
    kind = draft["type"]
    if kind == "group":
        return JOIN_WORDS[draft["join"]]
    if kind == "attribute":
        return f"{draft['attribute']} {_test(draft)}"
    if kind == "event":
        times = draft["times"] + (f" and {draft['times2']}" if draft["count"] == "between" else "")
        return f"{draft['event']} {COUNT_WORDS[draft['count']]} {times} times {_window(draft)}{_where(draft['where'])}"
    if kind == "sequence":
        then = "and then" if draft["happened"] == "yes" else "and then not"
        within = f"{draft['within']} {UNIT_WORDS.get(draft['within_unit'], 'days')}"
        return (
            f"{draft['first']}{_where(draft['first_where'])} {_window(draft)}, {then} "
            f"{draft['then']}{_where(draft['then_where'])} within {within}"
        )
    if kind == "topic":
        choice = {"in": "opted in to", "out": "opted out of", "none": "made no choice for"}[draft["choice"]]
        return f"{choice} {draft['topic']}"
    if kind == "device":
        return {"any": "has a device", "live": "has a device that can be pushed to"}.get(
            draft["which"], "has a device " + _where(draft["tests"]).strip()
        )
    if kind == "segment":
        return "is not in a segment" if draft["member"] == "no" else "is in a segment"
    if kind == "bucket":
        return f"is in a random {draft['percent']} %"
    return "everyone"


def _test(test: Draft) -> str:
    op = test["op"]
    words = OPERATOR_WORDS.get(op, op)
    if op in BARE:
        return words
    value = test["value"]
    if op in PAIRS:
        return f"{words} {value} and {test['value2']}"
    if op in ("in the last", "more than ago", "in the next", "more than ahead"):
        return f"{words} {value} {UNIT_WORDS.get(test['unit'], 'days')}"
    return f"{words} {test['compare']} {value}" if op == "length" else f"{words} {value}"


def _where(tests: list[Draft]) -> str:
    return " where " + " and ".join(f"{test['name']} {_test(test)}" for test in tests) if tests else ""


def _window(draft: Draft) -> str:
    kind = draft["window"]
    if kind == "last":
        return f"in the last {draft['span']} {UNIT_WORDS.get(draft['unit'], 'days')}"
    if kind == "between":
        return f"between {draft['start']} and {draft['end']}"
    return f"{kind} {draft['start']}" if kind in ("after", "before") else "ever"
