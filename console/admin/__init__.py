"""The console's shell. Django imports this when it starts, and with it every model's list and form."""

from console.admin import api_keys, audiences, campaigns, delivery, sources, team, webhooks

__all__ = ["api_keys", "audiences", "campaigns", "delivery", "sources", "team", "webhooks"]
