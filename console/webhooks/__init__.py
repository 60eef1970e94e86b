"""Telling the company's own programs what happened.

Upper layers ask, lower layers never notify: `gathering` reads what changed since it last looked, from the ledger, the
log of receipts, the consent ledger and the devices, and writes batches of events for each endpoint; `sending` posts
them, signed, until they are taken or a day has passed. It stands in the console because only the console may ask them
all, and because an endpoint is a surface like any other.
"""
