"""Where the outside world is bent into our words: a gateway answers with outcomes, nobody else knows HTTP codes.

`BUILDERS` says which gateways there are: how each is made from a credential, its unsealed secret and the one client.
"""

from collections.abc import Callable, Mapping

from delivery.gateways import apns, fcm, webpush
from delivery.gateways.base import Gateway
from delivery.http import Client
from delivery.models import Credential

BUILDERS: Mapping[str, Callable[[Credential, bytes, Client], Gateway]] = {
    "webpush": webpush.build,
    "fcm": fcm.build,
    "apns": apns.build,
}
