"""What SDKs in browsers fetch before they send: where to send to."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from audiences.models import Source
from audiences.sources import source_of_key
from console.tracking.door import endpoint
from console.tracking.keys import source_of
from console.tracking.refusals import Refused, answer


@endpoint("GET")
def segment(request: HttpRequest, write_key: str) -> HttpResponse:
    """The settings document of Segment's browser SDK. Keys of servers are secret and have none."""
    source = source_of_key(write_key) if len(write_key) <= 200 else None
    if source is None or source.is_trusted:
        raise Refused(404, "unknown_write_key", "No website has this write key.")
    scheme, _, host = settings.HEED_BASE_URL.partition("://")
    return answer(
        {
            "integrations": {"Segment.io": {"apiKey": write_key, "apiHost": f"{host}/v1", "protocol": scheme}},
            # Nothing about the SDK's own working is reported to anyone.
            "metrics": {"sampleRate": 0},
        }
    )


@endpoint("GET")
def rudderstack(request: HttpRequest) -> HttpResponse:
    """The source configuration of RudderStack's SDKs: one enabled source, and nothing to load beside it."""
    source = source_of(request)
    return answer({"source": _described(source)})


def _described(source: Source) -> dict[str, object]:
    return {
        "id": str(source.pk),
        "name": source.name,
        "writeKey": source.write_key or "",
        "enabled": True,
        "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
        "workspaceId": "site",
        "updatedAt": source.created_at.isoformat(),
        "sourceDefinition": {"name": source.get_kind_display()},
        "destinations": [],
        "connections": [],
        "dataplanes": {},
    }
