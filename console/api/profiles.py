"""Profiles: list, read, upsert one or many, and what belongs to one."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Q
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audiences.database_clock import database_now
from audiences.ingest import accept
from audiences.models import Choice, Event, Profile
from audiences.segments.of_profile import segments_of
from console.api.base import ApiView, Moment, Plain, Strict, known_zone, moment_in, page, profile_of
from console.api.problems import Invalid

MOST = 1000
EVENTS_SHOWN = 400  # days that a list of events reaches back where no `after` is given


class ProfileShape(Strict):
    external_id = Plain(max_length=255)
    attributes = serializers.DictField(required=False, help_text="Merged into what is known; null removes one.")
    locale = Plain(max_length=35, required=False, allow_blank=True)
    zone = Plain(max_length=64, required=False, allow_blank=True, validators=[known_zone])
    created_at = Moment(read_only=True)
    last_seen_at = Moment(read_only=True)


class ProfileChange(ProfileShape):
    """The id stands in the address."""

    external_id = Plain(max_length=255, read_only=True)


class Many(Strict):
    profiles = ProfileShape(many=True, min_length=1, max_length=MOST)


def upsert(said: list[dict[str, Any]]) -> None:
    """Make or change these profiles in one batch. Raises Invalid with a pointer to the first bad one."""
    for index, one in enumerate(said):
        for name in one.get("attributes") or {}:
            if name.startswith(("$", "heed_")):
                raise Invalid("Names that begin with $ or heed_ are reserved.", pointer=f"/{index}/attributes/{name}")
    calls = [
        {
            "type": "identify",
            "userId": one["external_id"],
            "traits": one.get("attributes") or {},
            "context": {"locale": one.get("locale") or None, "timezone": one.get("zone") or None},
        }
        for one in said
    ]
    result = accept(calls, source=None, now=database_now())
    if result.rejected:
        index, path, reason = result.rejected[0]
        raise Invalid(reason, pointer=f"/{index}/{path}")


class Profiles(ApiView):
    def get(self, request: Request) -> Response:
        """Newest first; by `external_id`, `seen_after`, `seen_before`."""
        found = Profile.objects.standing_alone()
        if external_id := request.GET.get("external_id"):
            found = found.filter(external_id=external_id)
        if after := moment_in(request, "seen_after"):
            found = found.filter(last_seen_at__gte=after)
        if before := moment_in(request, "seen_before"):
            found = found.filter(last_seen_at__lt=before)
        return page(found, ProfileShape, request, self)

    def post(self, request: Request) -> Response:
        """Make a profile, or change the one with this id."""
        shape = ProfileShape(data=request.data)
        shape.is_valid(raise_exception=True)
        upsert([shape.validated_data])
        return _shown(shape.validated_data["external_id"], request)


class BulkProfiles(ApiView):
    def post(self, request: Request) -> Response:
        """Up to 1,000 at once: all of them, or none."""
        many = Many(data=request.data)
        many.is_valid(raise_exception=True)
        upsert(many.validated_data["profiles"])
        return Response({"accepted": len(many.validated_data["profiles"])})


class OneProfile(ApiView):
    def get(self, request: Request, external_id: str) -> Response:
        return _shown(external_id, request)

    def put(self, request: Request, external_id: str) -> Response:
        """Make or change the profile with this id."""
        shape = ProfileChange(data=request.data)
        shape.is_valid(raise_exception=True)
        upsert([{**shape.validated_data, "external_id": external_id}])
        return _shown(external_id, request)


class EventShape(Strict):
    id = serializers.IntegerField()
    event = serializers.CharField(source="name")
    kind = serializers.CharField()
    properties = serializers.DictField()
    occurred_at = Moment()
    received_at = Moment()
    message_id = serializers.CharField()


class EventsOfProfile(ApiView):
    def get(self, request: Request, external_id: str) -> Response:
        """Newest first; by `event`, `after`, `before`. Without `after`: the last 400 days."""
        now = timezone.now()
        found = Event.objects.filter(
            profile=profile_of(external_id),
            occurred_at__gte=moment_in(request, "after") or now - dt.timedelta(days=EVENTS_SHOWN),
            occurred_at__lt=moment_in(request, "before") or now + dt.timedelta(days=1),
        )
        if name := request.GET.get("event"):
            found = found.filter(name=name)
        return page(found, EventShape, request, self, ordering=("-occurred_at", "-id"))


class ChoiceShape(Strict):
    topic = serializers.CharField(source="topic.key", default=None, allow_null=True)
    decision = serializers.CharField()
    changed_at = Moment()
    source = serializers.CharField(source="entry.source")


class ChoicesOfProfile(ApiView):
    def get(self, request: Request, external_id: str) -> Response:
        """The latest explicit decision for each topic; topic null is all notifications."""
        found = Choice.objects.filter(Q(profile=profile_of(external_id))).select_related("topic", "entry")
        shown = ChoiceShape(found.order_by("topic__position", "pk"), many=True, context={"request": request})
        return Response({"results": shown.data})


class SegmentsOfProfile(ApiView):
    def get(self, request: Request, external_id: str) -> Response:
        """The segments that the profile is in right now, by name. `complete` is false where there are more than the
        hundred that were asked."""
        inside, complete = segments_of(profile_of(external_id).pk, now=timezone.now())
        return Response({"results": [{"id": one.pk, "name": one.name} for one in inside], "complete": complete})


def _shown(external_id: str, request: Request) -> Response:
    return Response(ProfileShape(profile_of(external_id), context={"request": request}).data)
