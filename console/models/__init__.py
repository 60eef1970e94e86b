from console.models.api_key import ApiKey
from console.models.heartbeat import Heartbeat
from console.models.idempotent_answer import IdempotentAnswer

__all__ = ["ApiKey", "Heartbeat", "IdempotentAnswer"]
