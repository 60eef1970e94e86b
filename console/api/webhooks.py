"""Webhook endpoints over the API: made, changed, tried out, and what they were sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from rest_framework import exceptions, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from console.api.base import ApiView, ByNewest, Moment, Plain, Strict, moment_in
from console.api.problems import Invalid
from console.models import ApiKey, WebhookDelivery, WebhookEndpoint
from console.webhooks import endpoints

ADMIN = (ApiKey.Scope.ADMIN,)


class Off(exceptions.APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "endpoint_is_off"
    default_detail = "This endpoint is off. Switch it on first."


class EndpointShape(Strict):
    id = serializers.UUIDField(source="public_id", read_only=True)
    name = Plain(max_length=80)
    url = Plain(max_length=2000)
    kinds = serializers.ListField(child=Plain(max_length=40), max_length=50)
    enabled = serializers.SerializerMethodField()
    disabled_reason = serializers.CharField(read_only=True)
    failing_since = Moment(read_only=True)
    succeeded_at = Moment(read_only=True)
    old_secret_until = Moment(read_only=True)
    created_at = Moment(read_only=True)

    def get_enabled(self, endpoint: WebhookEndpoint) -> bool:
        return endpoint.disabled_at is None


class EndpointChange(Strict):
    name = Plain(max_length=80, required=False)
    url = Plain(max_length=2000, required=False)
    kinds = serializers.ListField(child=Plain(max_length=40), max_length=50, required=False)
    enabled = serializers.BooleanField(required=False)


class DeliveryShape(Strict):
    id = serializers.UUIDField()
    state = serializers.CharField()
    count = serializers.IntegerField()
    kinds = serializers.ListField(child=serializers.CharField())
    created_at = Moment()
    due_at = Moment()
    finished_at = Moment()
    attempts = serializers.IntegerField()
    log = serializers.ListField()


class AdminView(ApiView):
    read_scopes = ADMIN
    write_scopes = ADMIN


class Webhooks(AdminView):
    def get(self, request: Request) -> Response:
        """All of them, the oldest first."""
        found = WebhookEndpoint.objects.order_by("pk")
        return Response({"results": EndpointShape(found, many=True, context={"request": request}).data})

    def post(self, request: Request) -> Response:
        """Make one. The answer holds its secret: the only time that it is shown."""
        shape = EndpointShape(data=request.data)
        shape.is_valid(raise_exception=True)
        said = shape.validated_data
        with _pointing():
            made, secret = endpoints.create(
                said["name"],
                said["url"],
                said["kinds"],
                made_by=f"API key {request.auth.name}",
                now=timezone.now(),
            )
        return Response({**EndpointShape(made).data, "secret": secret}, status=201)


class OneWebhook(AdminView):
    def get(self, request: Request, public_id: UUID) -> Response:
        return Response(EndpointShape(_endpoint(public_id), context={"request": request}).data)

    def patch(self, request: Request, public_id: UUID) -> Response:
        """Change its name, url or kinds, or switch it off or on."""
        endpoint = _endpoint(public_id)
        shape = EndpointChange(data=request.data)
        shape.is_valid(raise_exception=True)
        said = shape.validated_data
        with _pointing(), transaction.atomic():
            endpoints.change(endpoint, {name: said[name] for name in ("name", "url", "kinds") if name in said})
            if said.get("enabled") is False and endpoint.disabled_at is None:
                endpoints.disable(endpoint, reason="", now=timezone.now())
            elif said.get("enabled") and endpoint.disabled_at:
                endpoints.enable(endpoint)
        return Response(EndpointShape(endpoint).data)

    def delete(self, request: Request, public_id: UUID) -> Response:
        """Delete it with everything that it was sent or still waits for it."""
        _endpoint(public_id).delete()
        return Response(status=204)


class Secret(AdminView):
    def post(self, request: Request, public_id: UUID) -> Response:
        """Give it another secret, shown only now. The old one signs as well for 24 hours."""
        endpoint = _endpoint(public_id)
        secret = endpoints.rotate(endpoint, now=timezone.now())
        return Response({**EndpointShape(endpoint).data, "secret": secret})


class Test(AdminView):
    def post(self, request: Request, public_id: UUID) -> Response:
        """Send one event of the kind webhook.test."""
        made = endpoints.send_test(_listening(public_id), now=timezone.now())
        return Response(DeliveryShape(made).data, status=202)


class Deliveries(AdminView):
    def get(self, request: Request, public_id: UUID) -> Response:
        """What it was sent, newest first; by `state`."""
        found = WebhookDelivery.objects.filter(endpoint=_endpoint(public_id)).defer("events")
        if state := request.GET.get("state"):
            found = found.filter(state=state)
        pages = ByNewest()
        pages.ordering = ("-created_at", "-id")
        page = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response(DeliveryShape(page, many=True, context={"request": request}).data)


class Again(Strict):
    deliveries = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=1000, required=False)


class Replay(AdminView):
    def post(self, request: Request, public_id: UUID) -> Response:
        """Send batches again: those named, or all that failed (`after` in the query: made since then)."""
        shape = Again(data=request.data)
        shape.is_valid(raise_exception=True)
        found = WebhookDelivery.objects.filter(endpoint=_listening(public_id))
        if "deliveries" in shape.validated_data:
            found = found.filter(pk__in=shape.validated_data["deliveries"])
        else:
            found = found.filter(state=WebhookDelivery.State.FAILED)
        if after := moment_in(request, "after"):
            found = found.filter(created_at__gte=after)
        return Response({"replayed": endpoints.replay(found, now=timezone.now())}, status=202)


@contextmanager
def _pointing() -> Iterator[None]:
    """Turns the domain's refusal into the API's, with a pointer to the field."""
    try:
        yield
    except endpoints.InvalidEndpoint as invalid:
        raise Invalid(str(invalid), pointer=f"/{invalid.field}") from None


def _endpoint(public_id: UUID) -> WebhookEndpoint:
    found = WebhookEndpoint.objects.filter(public_id=public_id).first()
    if found is None:
        raise exceptions.NotFound("There is no webhook with this id.")
    return found


def _listening(public_id: UUID) -> WebhookEndpoint:
    endpoint = _endpoint(public_id)
    if endpoint.disabled_at:
        raise Off
    return endpoint
