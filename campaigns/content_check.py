"""What is wrong with a message template, before anyone gets it, in a marketer's words."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from liquid.builtin.expressions.filtered import Filter

from campaigns import app_options
from campaigns.liquid.environment import ROOTS, parse
from campaigns.liquid.fallbacks import unguarded
from campaigns.liquid.fields import fields_used
from campaigns.liquid.tree import Refused, everything, position
from campaigns.rendering import LINKS, Content, Unrenderable, compile_template, written
from delivery import links
from delivery.limits import LONGEST_TTL, MOST_BUTTONS, URGENCIES

# About how many characters are seen before the rest is cut, title and text, on a lock screen or in a banner.
SEEN = {"Chrome on a computer": (55, 120), "Android": (50, 240), "iPhone": (40, 150)}


@dataclass(frozen=True, slots=True)
class Problem:
    """`field` is one of rendering.written(), or a setting; only errors block. Line and column count from 1; 0: none."""

    field: str
    message: str
    severity: Literal["error", "warning"] = "error"
    line: int = 0
    column: int = 0


def check(fields: Mapping[str, Any], *, site_url: str = "") -> list[Problem]:
    """Everything wrong with a message template, field by field. Renders it once, with nothing known, if it can.

    `site_url` is the site's own address: links to it are allowed even on http.
    """
    texts = written(fields)
    found = [*_settings(fields), *(problem for name, text in texts.items() for problem in _text(name, text))]
    found += [problem for name, text in texts.items() if _is_link(name) for problem in _link(name, text, site_url)]
    if not any(problem.severity == "error" for problem in found):
        found += _bare(fields, site_url)
    return found


def _is_link(name: str) -> bool:
    return name in LINKS or name.endswith(" link")


def _settings(fields: Mapping[str, Any]) -> Iterator[Problem]:
    if not str(fields.get("title") or "").strip():
        yield Problem("title", "Write a title.")
    ttl = fields.get("ttl_seconds", 86_400)
    if not isinstance(ttl, int) or not 0 <= ttl <= LONGEST_TTL:
        yield Problem("ttl_seconds", f"Choose between 0 and {LONGEST_TTL:,} seconds (28 days).")
    if fields.get("urgency", "normal") not in URGENCIES:
        yield Problem("urgency", f"Choose one of {', '.join(URGENCIES)}.")
    buttons = fields.get("actions") or []
    if len(buttons) > MOST_BUTTONS:
        yield Problem("actions", f"Browsers show at most {MOST_BUTTONS} buttons. Remove {len(buttons) - MOST_BUTTONS}.")
    for number, button in enumerate(buttons, 1):
        if not str(button.get("title") or "").strip():
            yield Problem(f"button {number} title", "Write what the button says.")
    if not isinstance(fields.get("data") or {}, Mapping):
        yield Problem(
            "data", "Write one value a line, as name = value. A name has letters, digits, - and _, and comes once."
        )
    for field, message in app_options.problems(fields.get("options") or {}):
        yield Problem(field, message)


def _text(name: str, text: str) -> Iterator[Problem]:
    try:
        template = parse(text)
    except Refused as refused:
        yield Problem(name, str(refused), line=refused.line, column=refused.column)
        return
    unknown = []
    for use in fields_used(text):
        place = f"(line {use.line}, column {use.column})"
        if use.root not in ROOTS:
            unknown.append(use.text)
            yield Problem(
                name,
                f"“{use.text}” is not known {place}. Begin with one of {', '.join(ROOTS)}: "
                f"did you mean profile.{use.text}?",
                line=use.line,
                column=use.column,
            )
        elif use.root == "last" and (len(use.path) < 2 or not isinstance(use.path[1], str)):
            yield Problem(
                name,
                f"Name the event in quotes, as in last['Product Viewed'].name {place}.",
                line=use.line,
                column=use.column,
            )
    for output in unguarded(text):
        if any(stranger in output.text for stranger in unknown):
            continue
        yield Problem(
            name,
            f"{output.text} may be empty (line {output.line}, column {output.column}). Add a fallback, such as "
            f"| default: 'there', or put it inside an if for this very value.",
            line=output.line,
            column=output.column,
        )
    for node in template.nodes:
        for part in everything(node):
            if isinstance(part, Filter) and part.name in ("escape", "escape_once", "newline_to_br"):
                line, column = position(part.token.source, part.token.start_index)
                yield Problem(
                    name,
                    f"A push is plain text: people would see what | {part.name} writes (line {line}, column {column}).",
                    "warning",
                    line,
                    column,
                )


def _link(name: str, text: str, site_url: str) -> Iterator[Problem]:
    """What can be said of a link as it is written; what values make of it is judged for each profile."""
    text = text.strip()
    first = re.search(r"\{\{|\{%", text)
    if not first:
        if text and (why := links.why_not(text, site_url=site_url)):
            yield Problem(name, why)
        return
    fixed = text[: first.start()]
    if not fixed:
        yield Problem(
            name, "The whole link comes from data. Only links that begin with https:// or / are sent.", "warning"
        )
    elif re.fullmatch(r"https?://[^/?#]*", fixed):
        yield Problem(name, "Write the link's host out, followed by /: it must not come from data.")
    elif why := links.why_not(fixed, site_url=site_url):
        yield Problem(name, why)
    if fixed:
        for output in re.finditer(r"\{\{(.*?)\}\}", text, re.DOTALL):
            if "url_encode" not in output[1]:
                yield Problem(
                    name, f"Put | url_encode at the end of {output[0]}: a blank or & would break it.", "warning"
                )


def _bare(fields: Mapping[str, Any], site_url: str) -> Iterator[Problem]:
    """What somebody of whom nothing is known would get: every fallback at once."""
    result = compile_template(fields).render({"site": {"url": site_url, "name": "site"}, "now": "2000-01-01T12:00:00Z"})
    if isinstance(result, Unrenderable):
        yield Problem(result.field, f"With nothing known of a profile: {result.detail}")
        return
    yield from _lengths(result)
    yield from _app_sizes(result)


def _app_sizes(content: Content) -> Iterator[Problem]:
    from campaigns.app_sizes import LARGEST, sizes  # the trial's child process does without the gateways

    for platform, size in sizes(content, now=dt.datetime(2000, 1, 1, tzinfo=dt.UTC)).items():
        if size > LARGEST:
            longest = max(("title", "body", "url"), key=lambda name: len(getattr(content, name).encode()))
            said = f"An {platform} push of it has {size:,} bytes even with its fallbacks"
            yield Problem(longest, f"{said}; {LARGEST:,} are taken, so that app would not get it.", "warning")


def _lengths(content: Content) -> Iterator[Problem]:
    for name, index, words in (("title", 0, "title"), ("body", 1, "text")):
        length = len(getattr(content, name))
        cut = [f"{platform} ({seen[index]})" for platform, seen in SEEN.items() if length > seen[index]]
        if cut:
            yield Problem(
                name,
                f"The {words} has {length} characters even with its fallbacks; it is cut on {', '.join(cut)}.",
                "warning",
            )
