"""The tracking API. No trailing slashes; the one-letter paths are those of Segment's browser SDK."""

from django.urls import path

from console.tracking import calls, devices, receipts, settings_documents

app_name = "tracking"
SINGLE = {
    "identify": "i",
    "track": "t",
    "page": "p",
    "screen": "s",
    "group": "g",
    "alias": "a",
}

urlpatterns = [
    *(path(f"v1/{kind}", calls.single, {"kind": kind}, name=kind) for kind in SINGLE),
    *(path(f"v1/{letter}", calls.single, {"kind": kind}) for kind, letter in SINGLE.items()),
    path("v1/batch", calls.batch, name="batch"),
    path("v1/b", calls.batch),
    path("v1/import", calls.batch, name="import"),
    path("beacon/v1/batch", calls.batch),  # where RudderStack's browser SDK sends beacons
    path("v1/projects/<str:write_key>/settings", settings_documents.segment, name="segment_settings"),
    path("sourceConfig/", settings_documents.rudderstack, name="source_config"),
    path("sourceConfig", settings_documents.rudderstack),
    path("v1/receipts", receipts.accept, name="receipts"),
    path("v1/devices", devices.register, name="devices"),
    path("v1/devices/detach", devices.detach, name="detach"),
]
