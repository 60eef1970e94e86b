"""Every address of the site. Public pages first, then the programs' interfaces, then the console."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from console.admin.site import site
from console.health import healthz


def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers ask for it where a page names no icon, as the preference page and the shop do."""
    return HttpResponseRedirect(static("console/mark.svg"))


urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("favicon.ico", favicon, name="favicon"),
    path("", RedirectView.as_view(url="/console/"), name="root"),
    path("", include("console.preferences.urls")),
    path("", include("console.tracking.urls")),
    path("", include("console.webpush.urls")),
    path("", include("console.demo.shop")),
    path("api/", include("console.api.urls")),
    path("console/", site.urls),
]

handler500 = "console.errors.server_error"
