"""The segment builder: the rule as rows and groups, its reach beside it, and why one profile is in or out.

The page posts its whole form at each change; the server answers the fragment. Nothing is kept until it is saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from audiences.look_up import profile_named
from audiences.models import AttributeName, EventName, Profile, Segment, Topic
from audiences.segments.conditions import COUNTS, DEVICE_FIELDS, OWN_FIELDS
from audiences.segments.explain import Explained, explain
from audiences.segments.language import InvalidRule, parse
from audiences.segments.operators import OPERATORS
from campaigns import funnel
from console.admin.site import console_page, render_page
from console.builder import segment_draft
from console.builder.segment_draft import UNIT_WORDS, Draft, at, change, from_form, from_rule, to_rule, walk
from console.builder.segment_words import COUNT_WORDS, DEVICE_WORDS, JOIN_WORDS, KIND_WORDS, OPERATOR_WORDS, sentence

MOST_NAMES = 500
KINDS = {"boolean": "bool", "bool": "bool", "number": "number", "list": "list", "date": "date", "string": "string"}

STARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "cart": (
        "Added to the cart and did not buy within two days",
        {
            "sequence": {
                "first": {"event": "Product Added"},
                "then": {"event": "Order Completed"},
                "within": "2d",
                "happened": False,
                "window": {"last": "14d"},
            }
        },
    ),
    "lapsed": (
        "Bought before, but not in the last 30 days",
        {
            "all": [
                {"event": "Order Completed", "window": {"ever": True}},
                {"event": "Order Completed", "count": {"op": "=", "value": 0}, "window": {"last": "30d"}},
            ]
        },
    ),
    "regular": (
        "Bought at least three times in 90 days",
        {"event": "Order Completed", "count": {"op": ">=", "value": 3}, "window": {"last": "90d"}},
    ),
    "everyone": ("Everyone", {"everyone": True}),
}


@console_page(permission="audiences.add_segment")
def new(request: HttpRequest) -> HttpResponse:
    """An empty rule, or one of the ready starting points (`?start=cart`)."""
    if request.method == "POST":
        return _save(request, Segment())
    title, rule = STARTS.get(request.GET.get("start", ""), ("", None))
    return _page(request, Segment(name=title), from_rule(rule))


@console_page(permission="audiences.change_segment")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    segment = get_object_or_404(Segment, pk=pk)
    return _save(request, segment) if request.method == "POST" else _page(request, segment, from_rule(segment.rule))


@console_page(permission="audiences.view_segment")
@require_POST
def tree(request: HttpRequest) -> HttpResponse:
    """The rule's rows after a change, with what is wrong beside each."""
    deed = request.POST.get("do", "")
    draft = change(from_form(request.POST), deed)
    follow_kinds(draft)
    # What was added a moment ago is not wrong because nothing has been written there yet.
    shown = _tree(draft, said=None if deed.startswith(("add:", "test:")) else _invalid(draft))
    response = render(request, "builder/segments/node.html", shown | {"node": draft})
    response["HX-Trigger"] = "changed"  # the count beside it follows
    return response


@console_page(permission="audiences.view_segment")
@require_POST
def reach(request: HttpRequest) -> HttpResponse:
    """How many the rule would reach now, and ten of them."""
    draft = from_form(request.POST)
    invalid = _invalid(draft)
    context: dict[str, Any] = {"invalid": invalid}
    if invalid is None:
        now = timezone.now()
        node = parse(to_rule(draft))
        chosen = request.POST.get("topic", "")
        topic = Topic.objects.filter(pk=int(chosen)).first() if chosen.isdecimal() else None
        found = funnel.funnel(node, topic=topic, now=now)
        first = found.stages[0][1] or 1
        profiles = Profile.objects.filter(pk__in=found.examples).order_by("pk")
        context |= {
            "stages": [(name, n, 100 * n / first) for name, n in found.stages],
            "estimated": found.estimated,
            "profiles": profiles,
        }
    return render(request, "builder/segments/reach.html", context)


@console_page(permission="audiences.view_segment")
@require_POST
def why(request: HttpRequest) -> HttpResponse:
    """Each condition for one profile, with the value found."""
    draft = from_form(request.POST)
    asked = request.POST.get("who", "").strip()
    profile = profile_named(asked)
    context: dict[str, Any] = {"asked": asked, "profile": profile}
    if profile is not None and _invalid(draft) is None:
        explained = explain(to_rule(draft), profile.pk, now=timezone.now())
        if explained is not None:
            context |= {"lines": list(_lines(explained)), "holds": explained.holds}
    return render(request, "builder/segments/why.html", context)


def _lines(explained: Explained, depth: int = 0) -> Any:
    yield depth, sentence(segment_draft._node(explained.rule)), explained.holds, explained.found
    for child in explained.children:
        yield from _lines(child, depth + 1)


def _save(request: HttpRequest, segment: Segment) -> HttpResponse:
    draft = from_form(request.POST)
    segment.name = request.POST.get("name", "").replace("\0", "").strip()
    segment.description = request.POST.get("description", "").replace("\0", "").strip()[:300]
    invalid = _invalid(draft)
    wrong = "" if segment.name else "Give it a name that you will find again."
    if not wrong and Segment.objects.exclude(pk=segment.pk).filter(name__iexact=segment.name).exists():
        wrong = "There is a segment of this name already."
    if len(segment.name) > 120:
        wrong = "At most 120 characters."
    if wrong or invalid is not None:
        return _page(request, segment, draft, said=invalid, name_error=wrong, status=400)
    rule = to_rule(draft)
    if segment.pk and rule != segment.rule:
        segment.version += 1
    segment.rule = rule
    if not segment.pk:
        segment.created_by = request.user if request.user.is_authenticated else None
    segment.archived_at = (segment.archived_at or timezone.now()) if "archived" in request.POST else None
    segment.save()
    messages.success(request, f"“{segment.name}” is saved.")
    return HttpResponseRedirect(reverse("console:audiences_segment_changelist"))


def _page(
    request: HttpRequest,
    segment: Segment,
    draft: Draft,
    *,
    said: InvalidRule | None = None,
    name_error: str = "",
    status: int = 200,
) -> HttpResponse:
    follow_kinds(draft)
    return render_page(
        request,
        "builder/segments/page.html",
        title=segment.name if segment.pk else "New segment",
        crumbs=[("Segments", reverse("console:audiences_segment_changelist"))],
        status=status,
        segment=segment,
        name_error=name_error,
        starts=[] if segment.pk or draft["children"] else [(key, title) for key, (title, _) in STARTS.items()],
        topics=Topic.objects.filter(archived_at=None).order_by("position", "name"),
        **_tree(draft, said=said),
        **suggestions(),
    )


def suggestions() -> dict[str, object]:
    """The names that the data has: attributes, events, and each event's properties."""
    events = list(EventName.objects.order_by("name")[:MOST_NAMES])
    properties = sorted({name for event in events for name in event.properties})[:MOST_NAMES]
    attributes = [*AttributeName.objects.order_by("name").values_list("name", flat=True)[:MOST_NAMES], *OWN_FIELDS]
    return {"events": [event.name for event in events], "properties": properties, "attributes": attributes}


def follow_kinds(draft: Draft) -> None:
    """An attribute or property whose type is known is compared as that type, with an operator that the type has."""
    nodes = [node for _, _, node in walk(draft)]
    names = {node["attribute"] for node in nodes if node["type"] == "attribute"}
    known = {one.name: _usual(one.kinds) for one in AttributeName.objects.filter(name__in=names)}
    known |= dict(OWN_FIELDS)
    events = {node.get(name) for node in nodes for name in ("event", "first", "then")} - {None, ""}
    seen = {one.name: one.properties for one in EventName.objects.filter(name__in=events)}
    for node in nodes:
        if node["type"] == "attribute":
            _follow(node, known.get(node["attribute"], ""))
        for tests, event in (("where", "event"), ("first_where", "first"), ("then_where", "then")):
            for test in node.get(tests, []):
                _follow(test, _usual(seen.get(node.get(event, ""), {}).get(test["name"], {})))
        for test in node.get("tests", []):
            _follow(test, DEVICE_FIELDS.get(test["name"], ""))


def _usual(kinds: Mapping[str, int] | list[str] | str) -> str:
    """The kind that a name was seen with most, as the rule language calls it."""
    if isinstance(kinds, str):
        return KINDS.get(kinds, "")
    ranked = sorted(kinds, key=lambda one: -kinds[one]) if isinstance(kinds, Mapping) else list(kinds)
    return KINDS.get(ranked[0], "") if ranked else ""


def _follow(test: Draft, kind: str) -> None:
    if kind:
        test["kind"] = kind
    if test["kind"] not in KIND_WORDS:
        test["kind"] = "string"
    if test["op"] not in segment_draft.operators_of(test["kind"]):
        test["op"] = next(iter(OPERATORS[test["kind"]]))


def _invalid(draft: Draft) -> InvalidRule | None:
    try:
        parse(to_rule(draft))
    except InvalidRule as invalid:
        return invalid
    return None


def _tree(draft: Draft, *, said: InvalidRule | None) -> dict[str, object]:
    """What the rows need: each node with its place, its depth, and what is wrong with it."""
    problem_at = ""
    if said is not None:
        problem_at, _ = segment_draft.place_of(said.path)
        if at(draft, problem_at) is None:
            problem_at = "r"
    for place, depth, node in walk(draft):
        node |= {"place": place, "depth": depth, "deep": depth >= 5}
        node["problem"] = said.message if said is not None and place == problem_at else ""
        for tests in segment_draft.TESTS.get(node["type"], ()):
            for number, test in enumerate(node[tests]):
                test |= {"at": f"{place}:{tests}:{number}", "operators": _operators(test)}
        if node["type"] == "attribute":
            node["operators"] = _operators(node)
    return {
        "root": draft,
        "counts": [(op, COUNT_WORDS[op]) for op in COUNTS],
        "joins": JOIN_WORDS.items(),
        "kinds": KIND_WORDS.items(),
        "units": UNIT_WORDS.items(),
        "fields": {name: DEVICE_WORDS[name] for name in DEVICE_FIELDS},
        "compares": COUNT_WORDS,
        "all_topics": Topic.objects.filter(archived_at=None).order_by("position", "name"),
        "all_segments": Segment.objects.filter(archived_at=None).order_by("name")[:MOST_NAMES],
        "bare": segment_draft.BARE,
        "pairs": segment_draft.PAIRS,
        "spans": segment_draft.SPANS,
        "many": segment_draft.MANY,
    }


def _operators(test: Draft) -> list[tuple[str, str]]:
    return [(op, OPERATOR_WORDS.get(op, op)) for op in segment_draft.operators_of(test["kind"])]


urlpatterns = [
    path("segments/new/", new, name="segment_new"),
    path("segments/build/tree/", tree, name="segment_tree"),
    path("segments/build/reach/", reach, name="segment_reach"),
    path("segments/build/why/", why, name="segment_why"),
    path("segments/<int:pk>/edit/", edit, name="segment_edit"),
]
