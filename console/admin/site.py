"""The console's one site: its addresses, its pages' frame, and what every page of a model has in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ClassVar

from csp.decorators import csp_update
from django.contrib.auth.views import LogoutView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Field, Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import NoReverseMatch, URLPattern, URLResolver, include, path, reverse, reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.generic import RedirectView
from unfold.admin import ModelAdmin
from unfold.sites import UnfoldAdminSite

Crumb = tuple[str, str]
# Addresses of Django's that lead to nothing of ours: pages of packages, and of rows on a public site.
NOT_OURS = ("app_list", "view_on_site")

# Beyond the site's policy: Alpine needs eval, unfold inline styles.
console_policy = csp_update({"script-src": ["'unsafe-eval'"], "style-src": ["'unsafe-inline'"]})


class ConsoleSite(UnfoldAdminSite):
    """Unfold's admin site with addresses, titles and a home of our own."""

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Every model under its marketer's name ("campaigns/", "settings/topics/"), no page of a package's name."""
        inherited = super().get_urls()
        own = [url for url in inherited if isinstance(url, URLPattern) and url.name not in NOT_OURS]
        *own, catch_all = own
        models = [
            path(f"{getattr(admin, 'address', None) or model._meta.model_name}/", include(admin.urls))
            for model, admin in self._registry.items()
        ]
        # Django's templates and unfold's link to it; there is nothing to show there.
        nowhere = path(
            "apps/<str:app_label>/", RedirectView.as_view(url=reverse_lazy("console:index")), name="app_list"
        )
        return [*own, *self._pages(), *models, nowhere, catch_all]

    def _pages(self) -> list[URLPattern | URLResolver]:
        from console.admin import pages

        return pages.urlpatterns

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        from console.stops import shown

        return {**super().each_context(request), "stops": shown(request) if self.has_permission(request) else ()}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from console import dashboard

        return dashboard.home(request)

    def admin_view(self, view: Callable[..., HttpResponse], cacheable: bool = False) -> Callable[..., HttpResponse]:
        return console_policy(super().admin_view(view, cacheable))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return console_policy(super().login)(request, extra_context)

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Our own: unfold's names packages, and keeps pickles of what it found in Redis."""
        from console import finding

        return finding.find(request)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return LogoutView.as_view(next_page=reverse("console:login"))(request)


site = ConsoleSite(name="console")


def console_page(
    view: Callable[..., HttpResponse] | None = None, *, permission: str | None = None
) -> Callable[..., Any]:
    """Make a view a page of the console: for signed-in staff only, with `permission` if one is named, never cached."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def wrapped(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
            if not site.has_permission(request):
                return redirect_to_login(request.get_full_path(), reverse("console:login"))
            if permission and not request.user.has_perm(permission):
                raise PermissionDenied
            request.current_app = site.name
            return view(request, *args, **kwargs)

        return console_policy(never_cache(wrapped))

    return decorate(view) if view else decorate


def render_page(
    request: HttpRequest,
    template: str,
    *,
    title: str,
    crumbs: Iterable[Crumb] = (),
    status: int = 200,
    **context: object,
) -> HttpResponse:
    """A page in the console's frame. `crumbs` are (title, address) of what lies above it; Home is not one of them."""
    frame = {"title": title, "crumbs": [*crumbs, (title, "")]}
    return render(request, template, {**site.each_context(request), **frame, **context}, status=status)


def own_editor(name: str, *args: object) -> HttpResponse:
    """A redirect to the page of that name, where a model is edited on a page of its own."""
    try:
        return HttpResponseRedirect(reverse(f"console:{name}", args=args))
    except NoReverseMatch:
        raise Http404 from None  # no id at all


class ConsoleModelAdmin(ModelAdmin):
    """A model's list and form in the console. `address` is its path; `plural` and `singular` are what people read."""

    address = ""
    plural = ""
    singular = ""
    # Field → what it is called in the form, where the model's own name is not a marketer's.
    labels: ClassVar[dict[str, str]] = {}
    # What an empty list says: what belongs here, and the next step.
    empty_title = ""
    empty_text = ""
    show_full_result_count = False
    list_per_page = 50
    list_filter_sheet = False
    compressed_fields = False
    warn_unsaved_form = True
    actions = None

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(
            request, {"title": self.plural, "subtitle": None, "crumbs": [(self.plural, "")], **(extra_context or {})}
        )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        title = f"New {self.singular}"
        if object_id is not None:
            found = self.get_object(request, object_id)
            title = str(found) if found else self.singular
        crumbs = [(self.plural, self.list_address()), (title, "")]
        extra = {"title": title, "subtitle": None, "crumbs": crumbs, "show_save_and_add_another": False}
        extra["show_save_and_continue"] = False
        return super().changeform_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        crumbs = [(self.plural, self.list_address()), ("Delete", "")]
        return super().delete_view(request, object_id, {"crumbs": crumbs, **(extra_context or {})})

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        crumbs = [(self.plural, self.list_address()), ("History", "")]
        return super().history_view(request, object_id, {"crumbs": crumbs, **(extra_context or {})})

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.labels:
            kwargs["label"] = self.labels[db_field.name]
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def list_address(self) -> str:
        """Where its list is."""
        return reverse(f"console:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def address_of(self, row: Model) -> str:
        """Where the page of one row is."""
        return reverse(f"console:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])
