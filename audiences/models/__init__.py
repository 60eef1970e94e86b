from audiences.models.consent import Choice, ConsentEntry, Decision, Topic
from audiences.models.device import Device, FormerOwner, Health, Permission
from audiences.models.event import Event, EventName, SeenCall
from audiences.models.profile import AttributeName, Identifier, Profile, Standing
from audiences.models.segment import Segment
from audiences.models.source import Source

__all__ = [
    "AttributeName",
    "Choice",
    "ConsentEntry",
    "Decision",
    "Device",
    "Event",
    "EventName",
    "FormerOwner",
    "Health",
    "Identifier",
    "Permission",
    "Profile",
    "SeenCall",
    "Segment",
    "Source",
    "Standing",
    "Topic",
]
