"""Messages that an app asks for: one to a profile or to a few, by template and data or with content of its own."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any

from django.conf import settings
from django.db import transaction
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audiences import statements
from audiences.database_clock import database_now
from audiences.models import Identifier, Topic
from campaigns import app_options
from campaigns.models import MessageTemplate, TemplateVersion
from console.api.base import Data, Moment, Plain, Strict
from console.api.idempotency import idempotent
from console.api.messages import Messages
from console.api.problems import Invalid
from console.models import ApiKey
from delivery import brought, tasks
from delivery.lanes import lane_of
from delivery.message_ids import public_id
from delivery.models import MessageClass
from delivery.submission import LONGEST, Stopped, Submission, submit

MOST = 100
AHEAD = dt.timedelta(days=90)
DAY = 86_400


class Several(serializers.ListField):
    """A list of ids, or one id alone."""

    child = Plain(max_length=255)

    def to_internal_value(self, data: Any) -> list[str]:
        found: list[str] = super().to_internal_value([data] if isinstance(data, str) else data)
        return list(dict.fromkeys(found))


class TemplateName(serializers.Field):
    """A template's number or its name."""

    def to_internal_value(self, data: Any) -> MessageTemplate:
        found = None
        if isinstance(data, int) and not isinstance(data, bool) and 0 < data < 2**63:
            found = MessageTemplate.objects.filter(pk=data, archived_at=None).first()
        elif isinstance(data, str) and "\0" not in data:
            found = MessageTemplate.objects.filter(name=data, archived_at=None).first()
        if found is None:
            raise serializers.ValidationError("There is no template with this number or name.")
        return found


class TopicKey(serializers.Field):
    def to_internal_value(self, data: Any) -> Topic:
        found = None
        if isinstance(data, str) and "\0" not in data:
            found = Topic.objects.filter(key=data, archived_at=None).first()
        if found is None:
            raise serializers.ValidationError("There is no topic with this key.")
        return found


class NewMessage(Strict):
    to = Several(min_length=1, max_length=MOST, help_text="External ids, at most 100.")
    template = TemplateName(required=False)
    data = Data(required=False, help_text="What the template reads as event.")
    content = Data(required=False, help_text="Instead of a template: title, body, url, …")
    topic = TopicKey(required=False, allow_null=True)
    send_at = Moment(required=False, help_text="Now, where it is left out.")
    expires_in = serializers.IntegerField(
        required=False, default=DAY, min_value=1, max_value=int(LONGEST.total_seconds()), help_text="Seconds."
    )
    must_arrive = serializers.BooleanField(required=False)
    platform = Data(required=False, most=4096, help_text="What only some platforms know: {android: {…}, ios: {…}}.")

    def get_fields(self) -> dict[str, Any]:
        classes = serializers.ChoiceField(choices=MessageClass.choices, default=MessageClass.PROMOTIONAL)
        return {**super().get_fields(), "class": classes}

    def validate_platform(self, said: dict[str, Any]) -> dict[str, Any]:
        wrong: dict[str, Any] = {}
        for field, why in app_options.problems(said):
            platform, _, name = field.partition(".")
            if name:
                wrong.setdefault(platform, {})[name] = [why]
            else:
                wrong[platform] = [why]
        if wrong:
            raise serializers.ValidationError(wrong)
        return said

    def validate(self, said: dict[str, Any]) -> dict[str, Any]:
        if ("template" in said) == ("content" in said):
            raise serializers.ValidationError("Give either a template or content.")
        if "content" in said and "data" in said:
            raise serializers.ValidationError({"data": ["Only a template reads data; content has a data of its own."]})
        return said


@cache
def _shape() -> NewMessage:
    """Made once: to copy its fields costs more than to check a body with them."""
    return NewMessage()


class Sending(Messages):
    """GET lists messages, whoever asked for them (messages.py); POST asks for new ones."""

    write_scopes = (ApiKey.Scope.SEND, ApiKey.Scope.SEND_TRANSACTIONAL)
    write_rate = "send"

    @idempotent
    def post(self, request: Request) -> Response:
        """Write one message for each profile, due now or at `send_at`. Answers 202: the gates judge them when due."""
        said = _shape().run_validation(request.data)
        now = database_now()
        submission, profiles = _submission(said, request.auth, now=now)
        try:
            (made,) = submit([submission], now=now)
        except Stopped as stopped:
            raise Invalid(str(stopped), pointer="/class") from None
        if submission.due_at <= now:
            lane = lane_of(submission.message_class)
            transaction.on_commit(lambda: tasks.hint(lane), robust=True)
        return Response(
            {
                "id": str(made.public_id),
                "due_at": Moment().to_representation(submission.due_at),
                "expires_at": Moment().to_representation(submission.expires_at),
                "messages": [
                    {"id": public_id(made.messages[profile_id], made.wave_on), "external_id": external_id}
                    for external_id, profile_id in profiles.items()
                    if profile_id in made.messages
                ],
                "unknown": [external_id for external_id in said["to"] if external_id not in profiles],
            },
            status=202,
        )


def _submission(said: dict[str, Any], key: ApiKey, *, now: dt.datetime) -> tuple[Submission, dict[str, int]]:
    message_class = MessageClass(said["class"])
    right = ApiKey.Scope.SEND
    if message_class == MessageClass.TRANSACTIONAL:
        right = ApiKey.Scope.SEND_TRANSACTIONAL
    if not key.may(right):
        raise exceptions.PermissionDenied(f"This key has no scope “{right}”.")
    due_at = max(said.get("send_at") or now, now)
    if due_at > now + AHEAD:
        raise Invalid(f"Give a time within {AHEAD.days} days.", pointer="/send_at")
    profiles = _profiles(said["to"])
    if not profiles:
        raise Invalid("None of these profiles is known.", pointer="/to")
    submission = Submission(
        profile_ids=list(profiles.values()),
        **_content(said),
        message_class=message_class,
        topic_id=said["topic"].pk if said.get("topic") else None,
        due_at=due_at,
        expires_at=due_at + dt.timedelta(seconds=said["expires_in"]),
        asked_by=f"API key {key.name} ({key.pk})",
    )
    return submission, profiles


def _profiles(external_ids: list[str]) -> dict[str, int]:
    """Who is called so now, by external id, in the order asked. One query."""
    found = dict(
        statements.rows(
            """
            SELECT i.value, i.profile_id FROM audiences_identifier i JOIN audiences_profile p ON p.id = i.profile_id
            WHERE i.kind = %s AND i.value = ANY(%s) AND p.erased_at IS NULL
            """,
            [Identifier.Kind.USER, external_ids],
        )
    )
    return {external_id: found[external_id] for external_id in external_ids if external_id in found}


def _content(said: dict[str, Any]) -> dict[str, Any]:
    options = said.get("platform") or {}
    if "content" in said:
        try:
            content = brought.checked(said["content"], site_url=settings.HEED_BASE_URL)
        except brought.InvalidContent as invalid:
            raise Invalid(str(invalid), pointer=f"/content/{invalid.field}") from None
        return {
            "content_source": brought.SOURCE,
            "data": {"content": content, "options": options},
            "must_arrive": said.get("must_arrive", False),
        }
    version: TemplateVersion | None = said["template"].latest()
    if version is None:
        raise Invalid(f"Publish the template “{said['template'].name}” first.", pointer="/template")
    return {
        "content_source": "template",
        "content_ref": version.pk,
        "data": {"data": said.get("data") or {}, "options": options},
        "must_arrive": said.get("must_arrive", version.must_arrive),
    }
