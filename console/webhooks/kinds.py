"""What can be told: the kinds of events, in words."""

from __future__ import annotations

KINDS: dict[str, str] = {
    "message.sent": "a push service took it for at least one device",
    "message.delivered": "a device showed it",
    "message.opened": "an app was opened by it",
    "message.clicked": "it was clicked",
    "message.dismissed": "it was swept away",
    "message.failed": "no device could be reached, or nobody knows",
    "message.held_back": "it was decided not to send it, and why",
    "device.registered": "a device can be reached: new, back again, or at a new address",
    "device.unreachable": "a device cannot be reached any more, and why",
    "choice.opted_in": "somebody chose a topic, or notifications at all",
    "choice.opted_out": "somebody left a topic, or everything",
    "campaign.finished": "a campaign has gone out, or was stopped on its way",
}
"""Kind → what happened."""

TEST = "webhook.test"
