"""What every resource of the REST API shares: the key, its scopes, its rate, ETags, and strict fields."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from rest_framework import exceptions, serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from audiences.calls import is_zone
from audiences.models import Identifier, Profile
from audiences.sources import source_of_key
from console.api.keys import find_key
from console.api.problems import UNKNOWN_FIELD
from console.client_address import client_address
from console.models import ApiKey
from console.tracking import rates
from console.tracking.rates import Left
from console.tracking.refusals import Refused


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>`. `request.auth` is the ApiKey."""

    def authenticate(self, request: Request) -> tuple[None, ApiKey]:
        scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        text = text.strip()
        if scheme.lower() != "bearer" or not text:
            raise exceptions.NotAuthenticated("Give an API key: Authorization: Bearer <key>.")
        key = find_key(text, now=timezone.now()) if len(text) <= 200 else None
        if key is None:
            if len(text) <= 200 and source_of_key(text):
                raise exceptions.PermissionDenied("This is a write key: it only sends events. Give an API key.")
            raise exceptions.AuthenticationFailed("This API key is not known, or was revoked, or has expired.")
        return None, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class HasScope(BasePermission):
    """Reading needs `read`, everything else `write`, unless the view names other scopes, of which one is enough."""

    def has_permission(self, request: Request, view: Any) -> bool:
        is_reading = request.method in ("GET", "HEAD", "OPTIONS")
        scopes = view.read_scopes if is_reading else view.write_scopes
        if not isinstance(request.auth, ApiKey) or not any(request.auth.may(scope) for scope in scopes):
            raise exceptions.PermissionDenied(f"This key has no scope “{scopes[0]}”.")
        return True


class Rate(BaseThrottle):
    """So many requests a second for a key and address. The view's answer tells what is left."""

    def allow_request(self, request: Request, view: ApiView) -> bool:
        kind = view.write_rate if request.method == "POST" else "api"
        try:
            view.rate = rates.spend(kind, str(getattr(request.auth, "pk", "")), client_address(request))
        except Refused as refused:
            self._wait = refused.retry_after
            view.rate = rates.spent(kind)
            return False
        return True

    def wait(self) -> float:
        return self._wait


@method_decorator(conditional_page, name="dispatch")
class ApiView(APIView):
    authentication_classes = (KeyAuthentication,)
    permission_classes = (HasScope,)
    throttle_classes = (Rate,)
    read_scopes: tuple[str, ...] = (ApiKey.Scope.READ,)
    write_scopes: tuple[str, ...] = (ApiKey.Scope.WRITE,)
    write_rate = "api"
    rate: Left | None = None

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if self.rate:
            answer["RateLimit-Limit"] = str(self.rate.limit)
            answer["RateLimit-Remaining"] = str(self.rate.remaining)
            answer["RateLimit-Reset"] = str(self.rate.reset)
        return answer


class ByNewest(CursorPagination):
    """Pages that stay right while rows come in: follow `next`."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering = "-id"


class Strict(serializers.Serializer[Any]):
    """Refuses fields that it does not know; `?fields=a,b` of the request leaves out the others."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = sorted(set(data) - {name for name, field in self.fields.items() if not field.read_only})
            if unknown:
                message = f"There is no field {unknown[0]} here."
                raise serializers.ValidationError({unknown[0]: [message]}, code=UNKNOWN_FIELD)
        return super().to_internal_value(data)

    def to_representation(self, instance: Any) -> Any:
        shown = super().to_representation(instance)
        request = self.context.get("request")
        wanted = request.GET.get("fields") if request else None
        return {name: shown[name] for name in wanted.split(",") if name in shown} if wanted else shown


class Moment(serializers.DateTimeField):
    """RFC 3339 with its zone; a naive time is refused."""

    def to_internal_value(self, value: Any) -> dt.datetime:
        try:
            moment = parse_datetime(value) if isinstance(value, str) else None
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise serializers.ValidationError("Give a time with its zone, such as 2026-11-24T12:00:00Z.")
        return moment.astimezone(dt.UTC)


class Plain(serializers.CharField):
    """Text as it came."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)


class Data(serializers.DictField):
    """A JSON object that the database can hold, of at most `most` bytes."""

    def __init__(self, *, most: int = 32_768, **options: Any) -> None:
        super().__init__(**options)
        self._most = most

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        found = super().to_internal_value(data)
        try:
            text = msgspec.json.encode(found)
        except (UnicodeEncodeError, msgspec.MsgspecError, OverflowError):
            raise serializers.ValidationError("This has text or a number that cannot be stored.") from None
        if len(text) > self._most:
            raise serializers.ValidationError(f"Give {self._most // 1024} KB at most.")
        return found


def known_zone(name: str) -> str:
    """A validator: refuses what is no time zone."""
    if name and not is_zone(name):
        raise serializers.ValidationError("Give a time zone of the IANA database, such as Europe/Berlin.")
    return name


def profile_of(external_id: str) -> Profile:
    """Who is called so now, also by an id that was merged into another. 404 where nobody is, or who was erased."""
    found = (
        Identifier.objects.filter(kind=Identifier.Kind.USER, value=external_id, profile__erased_at=None)
        .select_related("profile")
        .first()
    )
    if found is None:
        raise exceptions.NotFound("There is no profile with this id.")
    return found.profile


def moment_in(request: Request, name: str) -> dt.datetime | None:
    """A time in the query, or None."""
    said = request.GET.get(name)
    if said is None:
        return None
    try:
        return Moment().to_internal_value(said.replace(" ", "+"))
    except serializers.ValidationError as bad:
        raise serializers.ValidationError({name: bad.detail}) from None


def page(
    found: Any, shape: type[Strict], request: Request, view: ApiView, *, ordering: tuple[str, ...] = ("-id",)
) -> Response:
    """One page of these rows, in this shape."""
    pages = ByNewest()
    pages.ordering = ordering
    rows = pages.paginate_queryset(found, request, view=view)
    return pages.get_paginated_response(shape(rows, many=True, context={"request": request}).data)
