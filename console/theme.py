"""How the console looks and what its menu holds: the settings of django-unfold."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse

# (title, icon, name of its address). The marketer's order; what does not exist yet is not shown.
WORK = (
    ("Home", "home", "console:index"),
    ("Campaigns", "campaign", "console:campaigns_campaign_changelist"),
    ("Templates", "chat_bubble", "console:campaigns_messagetemplate_changelist"),
    ("Segments", "group_work", "console:audiences_segment_changelist"),
    ("Profiles", "person_search", "console:audiences_profile_changelist"),
    ("Reports", "monitoring", "console:reports"),
)
SETTINGS = (
    ("Topics", "label", "console:audiences_topic_changelist", "audiences.view_topic"),
    ("Sources and keys", "sensors", "console:audiences_source_changelist", "audiences.view_source"),
    ("API keys", "vpn_key", "console:console_apikey_changelist", "console.view_apikey"),
    ("Webhooks", "webhook", "console:console_webhookendpoint_changelist", "console.view_webhookendpoint"),
    ("Sending rules", "bedtime", "console:delivery_sendingrules_changelist", "delivery.view_sendingrules"),
    ("Caps", "speed", "console:delivery_cap_changelist", "delivery.view_cap"),
    ("Push credentials", "key", "console:delivery_credential_changelist", "delivery.view_credential"),
    ("Team", "groups", "console:auth_user_changelist", "auth.view_user"),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu's groups. Links to pages that a role may not see are left out; the pages check for themselves."""
    work = [_item(*entry) for entry in WORK]
    settings = [_item(*entry[:3]) for entry in SETTINGS if request.user.has_perm(entry[3])]
    return [
        {"items": [item for item in work if item]},
        {"title": "Settings", "separator": True, "items": [item for item in settings if item]},
    ]


def _item(title: str, icon: str, name: str) -> dict[str, Any] | None:
    try:
        return {"title": title, "icon": icon, "link": reverse(name)}
    except NoReverseMatch:
        return None


def _asset(name: str) -> Any:
    return lambda request: static(f"console/{name}")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Heed",
    "SITE_HEADER": "Heed",
    # Nothing lies outside the console that "View site" could lead to.
    "SITE_URL": None,
    "SITE_ICON": _asset("mark.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _asset("mark.svg")}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [_asset("console.css")],
    "SCRIPTS": [_asset("console.js")],
    "ENVIRONMENT": "console.simulated.label",
    "LOGIN": {"image": _asset("login.svg"), "form": "console.sign_in.SignInForm"},
    "BORDER_RADIUS": "8px",
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": navigation},
    "COLORS": {
        "base": {
            "50": "oklch(98.4% .004 95)",
            "100": "oklch(96.2% .006 95)",
            "200": "oklch(91.8% .008 95)",
            "300": "oklch(85.5% .010 100)",
            "400": "oklch(69% .014 150)",
            "500": "oklch(54% .018 190)",
            "600": "oklch(43.5% .022 200)",
            "700": "oklch(36% .026 205)",
            "800": "oklch(27% .026 210)",
            "900": "oklch(20.5% .024 212)",
            "950": "oklch(14.5% .020 214)",
        },
        "primary": {
            "50": "oklch(97.6% .016 195)",
            "100": "oklch(94% .036 195)",
            "200": "oklch(88% .062 195)",
            "300": "oklch(80% .088 195)",
            "400": "oklch(71.5% .102 196)",
            "500": "oklch(62% .100 198)",
            "600": "oklch(50% .084 201)",
            "700": "oklch(43% .072 203)",
            "800": "oklch(37% .060 205)",
            "900": "oklch(31.5% .048 207)",
            "950": "oklch(23% .036 210)",
        },
    },
}
