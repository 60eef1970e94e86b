from console.models.api_key import ApiKey
from console.models.heartbeat import Heartbeat

__all__ = ["ApiKey", "Heartbeat"]
