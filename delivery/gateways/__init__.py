"""Where the outside world is bent into our words: a gateway answers with outcomes, nobody else knows HTTP codes.

`BUILDERS` says which gateways there are: how each is made from a credential, its unsealed secret and the one client.
"""

import logging
from collections.abc import Callable, Mapping

from audiences.sealing import Unsealable, unseal
from delivery.credentials import PURPOSE
from delivery.gateways import apns, fcm, webpush
from delivery.gateways.base import Gateway
from delivery.gateways.unusable import Unusable
from delivery.http import Client
from delivery.models import Credential

log = logging.getLogger(__name__)

BUILDERS: Mapping[str, Callable[[Credential, bytes, Client], Gateway]] = {
    "webpush": webpush.build,
    "fcm": fcm.build,
    "apns": apns.build,
}


def gateway_of(credential: Credential, client: Client) -> Gateway:
    """The credential's gateway. One whose secret does not open holds its own pushes back, and nobody else's."""
    try:
        return BUILDERS[credential.gateway](credential, unseal(credential.secret, purpose=PURPOSE), client)
    except Unsealable as problem:
        why = str(problem)
    except Exception as problem:
        why = f"Its key cannot be read ({type(problem).__name__}): give it again."
    log.error("the push credential %s cannot be used: %s", credential.pk, why)
    return Unusable(why)
