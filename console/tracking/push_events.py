"""The push events of Segment's mobile specification, as receipts: they carry `push` and `receipt` of our payload."""

from __future__ import annotations

import datetime as dt

from audiences.ingest import Accepted
from delivery import receipts

KINDS = {"Push Notification Received": "received", "Push Notification Tapped": "clicked"}


def accept(result: Accepted, *, now: dt.datetime) -> None:
    """Pass on what these calls say of pushes. Events that speak of nobody's push stay events."""
    said = []
    for index, call in result.calls:
        if call.event in KINDS and call.properties and index in result.owners:
            push, token = call.properties.get("push"), call.properties.get("receipt")
            if isinstance(push, str) and isinstance(token, str):
                at = call.original_timestamp or call.timestamp
                said.append(receipts.Receipt(push=push, kind=KINDS[call.event], token=token, at=at))
    if said:
        receipts.accept(said, now=now)
