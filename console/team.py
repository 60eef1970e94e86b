"""Who may do what in the console: four roles, as data."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

VIEW_ALL = ("audiences.view_*", "delivery.view_*", "campaigns.view_*")
CAMPAIGN_WORK = ("campaigns.*", "audiences.*_segment", "audiences.*_topic")
SYSTEM_WORK = ("audiences.*_source", "delivery.*_credential", "delivery.*_hold", "console.*")
RESTRAINT = ("delivery.*_sendingrules", "delivery.*_cap")

ROLES: dict[str, tuple[str, ...]] = {
    "Marketer": (*VIEW_ALL, *CAMPAIGN_WORK),
    "Analyst": VIEW_ALL,
    "Developer": (*VIEW_ALL, *SYSTEM_WORK),
    "Owner": (*VIEW_ALL, *CAMPAIGN_WORK, *SYSTEM_WORK, *RESTRAINT, "auth.*_user"),
}
"""Role → its permissions as patterns `app.codename`, where * stands for anything."""


def ensure_roles(**kwargs: object) -> None:
    """Make the groups of these names and give them what ROLES says; other groups are left alone."""
    for name, patterns in ROLES.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set(Permission.objects.filter(_matching(patterns)))


def _matching(patterns: Iterable[str]) -> Q:
    found = Q(pk=None)
    for pattern in patterns:
        app, _, codename = pattern.partition(".")
        first, _, last = codename.partition("*")
        found |= Q(content_type__app_label=app, codename__startswith=first, codename__endswith=last)
    return found
