"""The message editor: what is written on the left, what a real person would see on the right."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from audiences.look_up import profile_named
from audiences.models import AttributeName, EventName, Profile
from campaigns import app_sizes, content
from campaigns.app_options import OPTIONS
from campaigns.content_source import contexts_for
from campaigns.models import MessageTemplate
from campaigns.publish import Unpublishable, publish
from console.admin.site import console_page, render_page
from console.builder import app_data, app_fields, template_draft, template_samples
from console.length_field import unit_choices
from delivery.gateways.encryption import LARGEST_PAYLOAD, WARN_PAYLOAD
from delivery.models import SendingRules
from delivery.payload import new_push_ids, payload

MOST_NAMES = 200
# What a check calls a field → its input in the form, where the two differ.
FIELD_OF = {
    "tag": "collapse",
    "ttl_seconds": "ttl",
    **{f"{field.platform}.{field.name}": field.key for field in app_fields.FIELDS},
    **{f"button {n} title": f"button{n}-title" for n in template_draft.BUTTONS},
    **{f"button {n} link": f"button{n}-url" for n in template_draft.BUTTONS},
}
APP_INPUTS = ("data", *(field.key for field in app_fields.FIELDS))
PROBLEM_FIELDS = (
    *APP_INPUTS,
    *(*template_draft.TEXTS, "ttl", "urgency", "other"),
    *(name for name in FIELD_OF.values() if name.startswith("button")),
)


@console_page(permission="campaigns.add_messagetemplate")
def new(request: HttpRequest) -> HttpResponse:
    return _edited(request, MessageTemplate(title="", ttl_seconds=86_400))


@console_page(permission="campaigns.change_messagetemplate")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _edited(request, get_object_or_404(MessageTemplate, pk=pk))


@console_page(permission="campaigns.view_messagetemplate")
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """What one person would see now, how large it is, and what is wrong beside each field. Nothing is kept."""
    template = template_draft.settle(MessageTemplate(), template_draft.read(request.POST))
    now = timezone.now()
    fields = template.content()
    compiled = content.compile_template(fields)
    case = request.POST.get("case", "typical")
    asked = request.POST.get("who", "").strip()
    if asked:
        profile = profile_named(asked)
    else:
        profile = template_samples.find(case, fields, last_events=sorted(compiled.last_events), now=now)
    context: dict[str, Any] = {"profile": profile, "asked": asked, "site": SendingRules.current().site_name}
    if profile is not None:
        (facts,) = contexts_for([profile.pk], compiled, now=now, extra=[{"event": {}, "device": {}}])
        context |= _seen(compiled.render(facts), profile, now=now)
    # Nothing is wrong with a page on which nothing has been written yet.
    context["is_blank"] = not any(fields[name] for name in ("title", "body", "url", "image", "icon", "actions"))
    if not context["is_blank"]:
        context["problems"] = _beside(content.check(fields, site_url=settings.HEED_BASE_URL))
        del context["problems"]["name"]  # which only saving looks at
    return render(request, "builder/templates/preview.html", context)


def _seen(result: content.Content | content.Unrenderable, profile: Profile, *, now: dt.datetime) -> dict[str, Any]:
    if isinstance(result, content.Unrenderable):
        return {"held": result}
    letter = payload(
        app_sizes.fields_of(result),
        push_id=next(new_push_ids(1)),
        wave_on=now.date(),
        profile_id=profile.pk,
        now=now,
    )
    size = len(msgspec.json.encode(letter))
    tone = "bad" if size > LARGEST_PAYLOAD else "warn" if size > WARN_PAYLOAD else ""
    apps = app_sizes.sizes(result, profile_id=profile.pk, now=now)
    color = result.options.get("android", {}).get("color")
    return {
        "seen": result,
        "ios": result.options.get("ios", {}),
        "apps": app_fields.told(result.options),
        "values": app_data.lines(result.data).splitlines() if isinstance(result.data, dict) else [],
        "android_color": "" if OPTIONS["android"]["color"](color) else color,
        "sizes": [
            ("Browsers", size, LARGEST_PAYLOAD, tone),
            *((name, n, app_sizes.LARGEST, "bad" if n > app_sizes.LARGEST else "") for name, n in apps.items()),
        ],
    }


def _edited(request: HttpRequest, template: MessageTemplate) -> HttpResponse:
    if request.method != "POST":
        return _page(request, template)
    template_draft.settle(template, template_draft.read(request.POST))
    problems = _name_problems(template)
    if template.ttl_seconds < 0:
        problems["ttl"] = [content.Problem("ttl", "Give a whole number and its unit, such as 1 day.")]
        template.ttl_seconds = 86_400
    if isinstance(template.data, str):
        problems["data"] = [one for one in content.check(template.content()) if one.field == "data"]
    if problems:
        return _page(request, template, problems=problems, status=400)
    template.archived_at = (template.archived_at or timezone.now()) if "archived" in request.POST else None
    if not template.pk:
        template.created_by = request.user if request.user.is_authenticated else None
    template.save()
    if "publish" in request.POST:
        try:
            version = publish(template, by=request.user if request.user.is_authenticated else None, now=timezone.now())
        except Unpublishable as refused:
            messages.error(request, "Saved, but not published: see what to change beside the fields.")
            return _page(request, template, problems=_beside(refused.problems), status=400)
        messages.success(request, f"Published as version {version.number}: campaigns launched from now on send it.")
    else:
        messages.success(request, "Saved as a draft.")
    _tell_trial(request, template)
    return HttpResponseRedirect(reverse("console:template_edit", args=[template.pk]))


def _tell_trial(request: HttpRequest, template: MessageTemplate) -> None:
    """Fill it in for twenty people in a child process that cannot hurt, and tell what went wrong."""
    fields = template.content()
    compiled = content.compile_template(fields)
    people = list(Profile.objects.standing_alone().order_by("-last_seen_at").values_list("pk", flat=True)[:20])
    if people and not compiled.is_static:
        for problem in content.trial(fields, contexts_for(people, compiled, now=timezone.now()))[:3]:
            tell = messages.error if problem.severity == "error" else messages.warning
            tell(request, f"{problem.field}: {problem.message}" if problem.field else problem.message)


def _name_problems(template: MessageTemplate) -> dict[str, list[content.Problem]]:
    said = ""
    if not template.name:
        said = "Give it a name that you will find again."
    elif len(template.name) > 120:
        said = "At most 120 characters."
    elif MessageTemplate.objects.exclude(pk=template.pk).filter(name=template.name).exists():
        said = "There is a template of this name already."
    return {"name": [content.Problem("name", said)]} if said else {}


def _beside(problems: list[content.Problem]) -> dict[str, list[content.Problem]]:
    """Problems by the form's field; what belongs to none stands under "other"."""
    found: dict[str, list[content.Problem]] = {name: [] for name in PROBLEM_FIELDS}
    for problem in problems:
        name = "data" if problem.field.startswith("data.") else FIELD_OF.get(problem.field, problem.field)
        found[name if name in found else "other"].append(problem)
    return found


def _page(
    request: HttpRequest,
    template: MessageTemplate,
    *,
    problems: dict[str, list[content.Problem]] | None = None,
    status: int = 200,
) -> HttpResponse:
    latest = template.latest() if template.pk else None
    beside = {name: (problems or {}).get(name, []) for name in PROBLEM_FIELDS}
    form = template_draft.shown(template)
    for button in form["buttons"]:
        button["title_problems"] = beside[f"{button['key']}-title"]
        button["url_problems"] = beside[f"{button['key']}-url"]
    return render_page(
        request,
        "builder/templates/page.html",
        title=template.name if template.pk and template.name else "New template",
        crumbs=[("Templates", reverse("console:campaigns_messagetemplate_changelist"))],
        status=status,
        draft=template,
        form=form,
        problems=beside,
        urgencies=MessageTemplate.Urgency.choices,
        ttl_units=unit_choices(*template_draft.TTL_UNITS),
        cases=template_samples.CASES,
        latest=latest,
        is_ahead=latest is not None and latest.content() != template.content(),
        versions=list(template.versions.select_related("published_by").order_by("-number")[:10]) if template.pk else [],
        insertable=_insertable(),
        apps=app_fields.shown(template.options or {}, beside),
        apps_open=bool(template.options or template.data or any(beside[name] for name in APP_INPUTS)),
    )


def _insertable() -> list[tuple[str, list[tuple[str, str]]]]:
    """(group, [(what it is, the Liquid to insert)])."""
    attributes = AttributeName.objects.order_by("name").values_list("name", flat=True)[:MOST_NAMES]
    groups = [
        (
            "Profile",
            [(name, _field(f"profile.{name}" if name.isidentifier() else f"profile['{name}']")) for name in attributes],
        )
    ]
    for event in EventName.objects.order_by("name")[:MOST_NAMES]:
        fields = [
            (name, _field(f"last['{event.name}'].{name}" if name.isidentifier() else f"last['{event.name}']['{name}']"))
            for name in sorted(event.properties)[:30]
            if "'" not in event.name + name
        ]
        if fields:
            groups.append((f"Last “{event.name}”", fields))
    return groups


def _field(path_text: str) -> str:
    return f"{{{{ {path_text} | default: '…' }}}}"


urlpatterns = [
    path("templates/new/", new, name="template_new"),
    path("templates/preview/", preview, name="template_preview"),
    path("templates/<int:pk>/edit/", edit, name="template_edit"),
]
