"""Whether simulated data stands in the console, said on every page."""

from __future__ import annotations

from django.db.models import Exists, Q
from django.http import HttpRequest

from campaigns.models import Campaign
from delivery.models import Wave


def label(request: HttpRequest) -> list[str] | None:
    """The chip in the page's head, or None where everything is real. One query on two small tables."""
    if not request.user.is_authenticated:
        return None
    found = Campaign.objects.filter(Q(simulated=True) | Exists(Wave.objects.filter(simulated=True))).exists()
    return ["Simulated data", "warning"] if found else None
