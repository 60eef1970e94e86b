"""The people who work in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from console.admin.site import ConsoleModelAdmin, site

ROLE_HELP = (
    "A marketer makes segments, templates and campaigns; an analyst reads everything; a developer looks after sources, "
    "keys and credentials; an owner may do all of it, and sets rules, caps and the team."
)


@admin.register(User, site=site)
class TeamAdmin(ConsoleModelAdmin, UserAdmin):
    """A member's roles decide what they may do; nobody can raise themselves above their own rights here."""

    address = "settings/team"
    plural = "Team"
    singular = "team member"
    empty_title = "Nobody but you"
    empty_text = "Add those who work with Heed, each with a role: marketer, analyst, developer or owner."
    labels = {"is_active": "May sign in", "username": "Name to sign in with"}
    form = UserChangeForm
    add_form = UserCreationForm
    add_form_template = None
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "full_name", "email", "roles", "last_login", "state")
    list_filter = ()
    search_fields = ("username", "email", "first_name", "last_name")
    ordering = ("username",)
    sortable_by = ("username", "last_login")
    filter_horizontal = ()
    autocomplete_fields = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": (("first_name", "last_name"), "email")}),
        ("Role", {"fields": ("groups", "is_active")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("username", "password1", "password2")}),
        ("Role", {"fields": ("groups",)}),
    )

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            kwargs |= {"widget": UnfoldAdminCheckboxSelectMultipleWidget(), "label": "Roles", "help_text": ROLE_HELP}
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    @display(description="Name")
    def full_name(self, user: User) -> str:
        return user.get_full_name() or "–"

    @display(description="Role")
    def roles(self, user: User) -> str:
        names = [group.name for group in user.groups.all()]
        if user.is_superuser:
            names.insert(0, "Everything")
        return ", ".join(names) or "none"

    @display(description="State", label={"may sign in": "success", "shut out": "danger"})
    def state(self, user: User) -> str:
        return "may sign in" if user.is_active and user.is_staff else "shut out"

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        may = super().has_change_permission(request, obj)
        return may and (obj is None or not obj.is_superuser or request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        # What somebody launched keeps their name; shut them out instead.
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            obj.is_staff = True
        super().save_model(request, obj, form, change)
