"""Events from the company's own services, in bulk."""

from __future__ import annotations

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audiences.database_clock import database_now
from audiences.ingest import accept
from console.api.base import ApiView, Moment, Plain, Strict
from console.api.idempotency import idempotent
from console.api.problems import Invalid

MOST = 1000


class NewEvent(Strict):
    external_id = Plain(max_length=255)
    event = Plain(max_length=200)
    properties = serializers.DictField(required=False)
    occurred_at = Moment(required=False, help_text="Now, where it is left out.")
    message_id = Plain(max_length=255, required=False, help_text="Makes it repeatable: stored once within 7 days.")


class NewEvents(Strict):
    events = NewEvent(many=True, min_length=1, max_length=MOST)


class Events(ApiView):
    @idempotent
    def post(self, request: Request) -> Response:
        """Up to 1,000 events. Those with a `message_id` seen before are counted as repeated."""
        shape = NewEvents(data=request.data)
        shape.is_valid(raise_exception=True)
        calls = [
            {
                "type": "track",
                "userId": one["external_id"],
                "event": one["event"],
                "properties": one.get("properties") or {},
                "timestamp": one.get("occurred_at"),
                "messageId": one.get("message_id"),
            }
            for one in shape.validated_data["events"]
        ]
        result = accept(calls, source=None, now=database_now())
        if result.rejected and not result.stored:
            index, path, reason = result.rejected[0]
            raise Invalid(reason, pointer=f"/events/{index}/{path}")
        rejected = [{"pointer": f"/events/{index}/{path}", "detail": reason} for index, path, reason in result.rejected]
        return Response({"stored": result.stored, "repeated": result.repeated, "rejected": rejected})
