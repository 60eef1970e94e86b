from delivery.models.access_token import AccessToken
from delivery.models.credential import Credential, Hold, Loss
from delivery.models.message import Arm, Message, Push
from delivery.models.receipt import Receipt
from delivery.models.rules import Cap, SendingRules
from delivery.models.send import Send
from delivery.models.tally import Tally
from delivery.models.throttle import Throttle
from delivery.models.wave import MessageClass, Wave

__all__ = [
    "AccessToken",
    "Arm",
    "Cap",
    "Credential",
    "Hold",
    "Loss",
    "Message",
    "MessageClass",
    "Push",
    "Receipt",
    "Send",
    "SendingRules",
    "Tally",
    "Throttle",
    "Wave",
]
