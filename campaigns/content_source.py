"""What the delivery layer asks us for a campaign's messages: their content, rendered with today's facts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from django.conf import settings
from django.db import connection
from msgspec.structs import replace

from audiences import statements
from audiences.statements import plain
from campaigns import content
from campaigns.models import TemplateVersion
from delivery.content import Rendered, Rendering, Unrenderable, collapse_key
from delivery.models import SendingRules, Wave

LAST_EVENT_DAYS = 180


class CampaignContent:
    """Renders the published version that a wave's `content_ref` names."""

    def render(self, wave: Wave, batch: Sequence[Rendering], *, now: dt.datetime) -> list[Rendered | Unrenderable]:
        """One result for each of the batch, in its order. Two or three queries, whatever its size."""
        compiled = _compiled(wave.content_ref)
        if compiled.is_static:
            return [_bent(compiled.render({}))] * len(batch)
        contexts = contexts_for(
            [one.profile_id for one in batch], compiled, now=now, extra=[_own(one) for one in batch]
        )
        return [_bent(result) for result in content.render_batch(compiled, contexts)]


class TemplateContent(CampaignContent):
    """The same for sends of programs, whose messages carry {"data": {…}, "options": {…}}: the template reads the data
    as `event`, and the options are added to its own."""

    def render(self, wave: Wave, batch: Sequence[Rendering], *, now: dt.datetime) -> list[Rendered | Unrenderable]:
        carried = [one.data or {} for one in batch]
        plain = [replace(one, data=own.get("data")) for one, own in zip(batch, carried, strict=True)]
        return [
            replace(result, options=_together(result.options, own["options"]))
            if isinstance(result, Rendered) and own.get("options")
            else result
            for result, own in zip(super().render(wave, plain, now=now), carried, strict=True)
        ]


def _together(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    return {platform: {**mine.get(platform, {}), **theirs.get(platform, {})} for platform in {*mine, *theirs}}


@lru_cache(maxsize=64)
def _compiled(version_id: int) -> content.Compiled:
    """Parsed and compiled once in the life of a worker: a version never changes."""
    return content.compile_template(TemplateVersion.objects.get(pk=version_id).content())


def contexts_for(
    profile_ids: Sequence[int],
    compiled: content.Compiled,
    *,
    now: dt.datetime,
    extra: Sequence[dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """The Liquid context of each profile, in order, with only what this template reads.

    `extra` adds to each what is particular to its message: device, event.
    """
    profiles = _profiles(profile_ids)
    events = _last_events(profile_ids, sorted(compiled.last_events), now=now) if compiled.last_events else {}
    shared = {"site": {"name": SendingRules.current().site_name, "url": settings.HEED_BASE_URL}}
    return [
        {
            **shared,
            "profile": profiles.get(profile_id, {}),
            "last": events.get(profile_id, {}),
            **(extra[i] if extra else {}),
        }
        for i, profile_id in enumerate(profile_ids)
    ]


def _profiles(profile_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    found = statements.rows(
        "SELECT id, external_id, locale, zone, attributes::text FROM audiences_profile WHERE id = ANY(%s::bigint[])",
        [plain(profile_ids)],
    )
    return {
        pk: {**msgspec.json.decode(attributes), "external_id": external_id, "locale": locale, "zone": zone}
        for pk, external_id, locale, zone, attributes in found
    }


def _last_events(
    profile_ids: Sequence[int], names: Sequence[str], *, now: dt.datetime
) -> dict[int, dict[str, dict[str, Any]]]:
    """The properties of each profile's most recent event of each name, within LAST_EVENT_DAYS."""
    with connection.cursor() as cursor:
        # One index probe a profile and name, newest partition first, beats ranking all events of the batch.
        cursor.execute(
            """
            SELECT p.id, n.name, e.properties
            FROM unnest(%s::bigint[]) AS p(id) CROSS JOIN unnest(%s::text[]) AS n(name) CROSS JOIN LATERAL (
                SELECT properties::text FROM audiences_event
                WHERE profile_id = p.id AND name = n.name AND occurred_at > %s AND occurred_at <= %s
                ORDER BY occurred_at DESC LIMIT 1
            ) e
            """,
            [list(set(profile_ids)), list(names), now - dt.timedelta(days=LAST_EVENT_DAYS), now],
        )
        found: dict[int, dict[str, dict[str, Any]]] = {}
        for profile_id, name, properties in cursor.fetchall():
            found.setdefault(profile_id, {})[name] = msgspec.json.decode(properties)
    return found


def _own(one: Rendering) -> dict[str, Any]:
    return {"event": one.data or {}, "device": one.device}


def _bent(result: content.Content | content.Unrenderable) -> Rendered | Unrenderable:
    if isinstance(result, content.Unrenderable):
        return Unrenderable(reason=result.reason, detail=f"{result.field}: {result.detail}")
    fields: dict[str, Any] = {"title": result.title, "body": result.body}
    fields |= {
        name: value
        for name in ("url", "image", "icon", "badge", "actions", "tag", "data")
        if (value := getattr(result, name))
    }
    return Rendered(
        fields=fields,
        ttl_seconds=result.ttl_seconds,
        urgency=result.urgency,
        collapse=collapse_key(result.tag),
        options=result.options,
        used_fallback=result.used_fallback,
    )
