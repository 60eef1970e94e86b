"""The REST API, under /api/. No trailing slashes."""

from django.urls import path

from console.api import choices, devices, events, messages, profiles, sending, webhooks

app_name = "api"
urlpatterns = [
    path("profiles", profiles.Profiles.as_view(), name="profiles"),
    path("profiles/bulk", profiles.BulkProfiles.as_view(), name="bulk_profiles"),
    path("profiles/<str:external_id>", profiles.OneProfile.as_view(), name="profile"),
    path("profiles/<str:external_id>/events", profiles.EventsOfProfile.as_view(), name="profile_events"),
    path("profiles/<str:external_id>/devices", devices.DevicesOfProfile.as_view(), name="profile_devices"),
    path("profiles/<str:external_id>/choices", profiles.ChoicesOfProfile.as_view(), name="profile_choices"),
    path("profiles/<str:external_id>/segments", profiles.SegmentsOfProfile.as_view(), name="profile_segments"),
    path("profiles/<str:external_id>/messages", messages.MessagesOfProfile.as_view(), name="profile_messages"),
    path("profiles/<str:external_id>/why", messages.Why.as_view(), name="profile_why"),
    path("messages", sending.Sending.as_view(), name="messages"),
    path("messages/<str:public_id>", messages.OneMessage.as_view(), name="message"),
    path("webhooks", webhooks.Webhooks.as_view(), name="webhooks"),
    path("webhooks/<uuid:public_id>", webhooks.OneWebhook.as_view(), name="webhook"),
    path("webhooks/<uuid:public_id>/secret", webhooks.Secret.as_view(), name="webhook_secret"),
    path("webhooks/<uuid:public_id>/test", webhooks.Test.as_view(), name="webhook_test"),
    path("webhooks/<uuid:public_id>/deliveries", webhooks.Deliveries.as_view(), name="webhook_deliveries"),
    path("webhooks/<uuid:public_id>/replay", webhooks.Replay.as_view(), name="webhook_replay"),
    path("devices", devices.Devices.as_view(), name="devices"),
    path("devices/bulk", devices.BulkDevices.as_view(), name="bulk_devices"),
    path("devices/detach", devices.Leaving.as_view(), name="detach"),
    path("devices/<uuid:public_id>", devices.OneDevice.as_view(), name="device"),
    path("devices/<uuid:public_id>/detach", devices.LeavingDevice.as_view(), name="detach_device"),
    path("events", events.Events.as_view(), name="events"),
    path("topics", choices.Topics.as_view(), name="topics"),
    path("choices", choices.Choices.as_view(), name="choices"),
]
