from console.models.heartbeat import Heartbeat

__all__ = ["Heartbeat"]
