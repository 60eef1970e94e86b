"""Every address of the site. Public pages first, then the programs' interfaces, then the console."""

from __future__ import annotations

from django.urls import include, path
from django.views.generic import RedirectView

from console.admin.site import site
from console.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("", RedirectView.as_view(url="/console/"), name="root"),
    path("", include("console.preferences.urls")),
    path("", include("console.tracking.urls")),
    path("", include("console.webpush.urls")),
    path("", include("console.demo.shop")),
    path("api/", include("console.api.urls")),
    path("console/", site.urls),
]

handler500 = "console.errors.server_error"
