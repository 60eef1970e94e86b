"""What to do about what a push service answered: one sentence for each reason code, to a marketer."""

from __future__ import annotations

from console.stops import ANY, WORDS

NOTHING = "Nothing: it is tried again by itself, up to five times."
FOLLOW = "Nothing now. Where it goes on for hours, tell whoever looks after the server."
DEVELOPER = "Show it to your developer, with the answer beside it."

ADVICE = {
    # The device is gone or cannot be reached like this.
    "gone": "Nothing: the app was removed or notifications switched off. The device is left out from now on.",
    "bad_token": "Nothing: the token is no longer one of this app. If there are many, check which app the credential is for.",
    "invalid_keys": "Nothing: this browser subscribed with keys that cannot be right. It is left out from now on.",
    "needs_resubscribe": "Nothing: the site's key has changed, and the browser subscribes anew when its owner comes back.",
    "address_renewed": NOTHING,
    "token_doubted": "Nothing, if there are few. If there are many, show your developer the message's fields.",
    # The message.
    "payload_too_large": "Shorten the text, leave the picture's address or the data out, and launch a copy.",
    "unsendable": "Look in the template for odd characters in links or keys, and launch a copy.",
    "invalid_argument": "Look at the template's settings for phones: one of its fields is not as Google wants it.",
    "invalid_ttl_or_topic": "Look at the template's lifetime and collapse key: letters, digits, - and _, at most 32.",
    "bad_request": DEVELOPER,
    "encryption_refused": DEVELOPER,
    "our_mistake": "This is a mistake of Heed's, not yours: tell whoever looks after the server.",
    "refused": DEVELOPER,
    "redirect": "Nothing should answer so: tell whoever looks after the server.",
    "unsafe_address": "Nothing: the device's address leads nowhere that we may send to.",
    # The push service.
    "throttled": "Nothing: what is left waits as long as the push service asks. A limit a minute for its credential avoids it.",
    "device_throttled": "Nothing: this one device had too many pushes lately. It is tried again later.",
    "gateway_trouble": NOTHING,
    "not_reached": NOTHING,
    "connection_ended": NOTHING,
    "no_answer": "It may have arrived, so it is not sent again: nobody gets it twice.",
    "worker_lost": "It may have arrived, so it is not sent again. Workers should not die: look at the server's log.",
    "attempts_exhausted": "Five attempts failed. Launch a copy later for whoever did not get it.",
    "expired_in_retry": "It was worth sending for too short a time. Give the next one more.",
    # The credential.
    "token_refused": NOTHING,
    "token_unavailable": FOLLOW,
    "token_updates": FOLLOW,
    "credential_paused": "Resume the credential when what was wrong is mended.",
    "credential_unusable": "Give the credential its key anew: it cannot be opened with this server's own.",
    "unauthorized": "Look at the push credential: the push service does not accept it.",
    "other_environment": NOTHING,
}
"""Reason code → what to do. What only a credential's gateway can tell stands in stops.WORDS."""

BY_STATE = {
    "retry": NOTHING,
    "unknown": ADVICE["no_answer"],
    "dropped": ADVICE["gone"],
    "rejected": DEVELOPER,
}


def what_to_do(reason: str, state: str, gateway: str) -> str:
    """The gateway's own advice where it has one, else the reason's, else what fits the outcome."""
    own = WORDS.get((gateway, reason)) or ANY.get(reason)
    if own and own[1]:
        return own[1]
    return ADVICE.get(reason) or BY_STATE.get(state, DEVELOPER)
