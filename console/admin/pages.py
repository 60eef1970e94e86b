"""The console's own pages beside the models' lists and forms. Their names are in the namespace `console`.

A surface adds its addresses here; each view is a `console_page`.
"""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from console import (
    campaign_pages,
    credential_new,
    credential_pages,
    credential_try,
    dashboard,
    profile_pages,
    source_pages,
    webhook_pages,
)
from console.builder.segments import urlpatterns as segments
from console.builder.templates import urlpatterns as templates
from console.reports.urls import urlpatterns as reports

urlpatterns: list[URLPattern | URLResolver] = [
    path("home/going-out/", dashboard.going_out, name="home_going_out"),
    path("home/what-worked/", dashboard.what_worked, name="home_what_worked"),
    path("campaigns/summary/", campaign_pages.summary, name="campaign_summary"),
    path("campaigns/<int:pk>/launch/", campaign_pages.launch, name="campaign_launch"),
    path("campaigns/<int:pk>/progress/", campaign_pages.progress, name="campaign_progress"),
    path("campaigns/<int:pk>/people/", campaign_pages.people, name="campaign_people"),
    path("campaigns/<int:pk>/do/<slug:name>/", campaign_pages.deed, name="campaign_deed"),
    path("settings/credentials/new/", credential_new.choose, name="credential_choose"),
    path("settings/credentials/new/<slug:gateway>/", credential_new.new, name="credential_new"),
    path("settings/credentials/<int:pk>/key/", credential_new.replace_key, name="credential_key"),
    path("settings/credentials/<int:pk>/figures/", credential_pages.figures, name="credential_figures"),
    path("settings/credentials/<int:pk>/test/", credential_try.send, name="credential_test"),
    path("settings/credentials/<int:pk>/test/<int:message>/", credential_try.sent, name="credential_tested"),
    path("settings/credentials/<int:pk>/pause/", credential_pages.pause, name="credential_pause"),
    path("settings/credentials/<int:pk>/resume/", credential_pages.resume, name="credential_resume"),
    path("settings/webhooks/<int:pk>/do/<slug:name>/", webhook_pages.deed, name="webhook_deed"),
    path("settings/webhooks/<int:pk>/deliveries/", webhook_pages.deliveries, name="webhook_deliveries"),
    path("settings/webhooks/<int:pk>/deliveries/<uuid:delivery_id>/", webhook_pages.delivery, name="webhook_delivery"),
    path("settings/credentials/<int:pk>/devices/", credential_pages.devices, name="credential_devices"),
    path("settings/sources/<int:pk>/proof/", source_pages.proof, name="source_proof"),
    path("profiles/<int:pk>/segments/", profile_pages.segments, name="profile_segments"),
    *segments,
    *templates,
    *reports,
]
