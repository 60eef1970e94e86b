"""Topics, and choices that were made elsewhere, with their proof."""

from __future__ import annotations

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audiences import consent
from audiences.database_clock import database_now
from audiences.models import Decision, Topic
from console.api.base import ApiView, Plain, Strict, profile_of
from console.api.idempotency import idempotent
from console.api.problems import Invalid


class TopicShape(Strict):
    key = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    default_on = serializers.BooleanField()


class Topics(ApiView):
    def get(self, request: Request) -> Response:
        """The topics that people can choose, in the order of the preference page."""
        found = Topic.objects.filter(archived_at=None).order_by("position", "pk")
        return Response({"results": TopicShape(found, many=True, context={"request": request}).data})


class NewChoice(Strict):
    external_id = Plain(max_length=255)
    topic = Plain(max_length=50, allow_null=True, required=False, help_text="A topic's key; null is all notifications.")
    decision = serializers.ChoiceField(choices=Decision.choices)
    source = Plain(max_length=40, help_text="Where the person made the choice, such as checkout.")
    text = Plain(max_length=2000, required=False, allow_blank=True, help_text="The words that the person saw.")
    text_version = Plain(max_length=40, required=False, allow_blank=True)


class Choices(ApiView):
    @idempotent
    def post(self, request: Request) -> Response:
        """Record one decision in the ledger. Opting in needs the words that the person agreed to."""
        shape = NewChoice(data=request.data)
        shape.is_valid(raise_exception=True)
        said = shape.validated_data
        profile = profile_of(said["external_id"])
        topic = None
        if said.get("topic") is not None:
            topic = Topic.objects.filter(key=said["topic"], archived_at=None).first()
            if topic is None:
                raise Invalid("There is no topic with this key.", pointer="/topic")
        if said["decision"] == Decision.IN and not said.get("text"):
            raise Invalid("Give the words that the person agreed to.", pointer="/text")
        entries = consent.record(
            [
                consent.NewChoice(
                    profile_id=profile.pk,
                    topic_id=topic.pk if topic else None,
                    decision=Decision(said["decision"]),
                    source=said["source"],
                    text=said.get("text", ""),
                    text_version=said.get("text_version", ""),
                    actor=f"API key {request.auth.name}",
                )
            ],
            now=database_now(),
        )
        return Response({"entry": entries[0]}, status=201)
