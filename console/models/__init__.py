from console.models.api_key import ApiKey
from console.models.heartbeat import Heartbeat
from console.models.idempotent_answer import IdempotentAnswer
from console.models.webhook import WebhookCursor, WebhookDelivery, WebhookEndpoint

__all__ = ["ApiKey", "Heartbeat", "IdempotentAnswer", "WebhookCursor", "WebhookDelivery", "WebhookEndpoint"]
