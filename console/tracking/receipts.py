"""Receipts: what devices tell of their pushes, each proved by the token that came with the push."""

from __future__ import annotations

import datetime as dt

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from console.client_address import client_address
from console.tracking import rates
from console.tracking.bodies import body, decoded
from console.tracking.door import endpoint
from console.tracking.refusals import answer, too_large
from delivery import receipts

MOST_RECEIPTS = 2500


class Said(msgspec.Struct):
    push: str
    kind: str
    token: str
    at: object = None


class Wrapped(msgspec.Struct):
    receipts: list[msgspec.Raw]


_either = msgspec.json.Decoder(list[msgspec.Raw] | Wrapped)
_said = msgspec.json.Decoder(Said)


@endpoint("POST")
def accept(request: HttpRequest) -> HttpResponse:
    """Forged and unknown receipts are answered like good ones: nobody learns from the answer which pushes exist."""
    data = body(request)
    rates.spend("receipts", client_address(request))
    found = decoded(data, _either)
    listed = found.receipts if isinstance(found, Wrapped) else found
    if len(listed) > MOST_RECEIPTS:
        raise too_large(f"Send {MOST_RECEIPTS} receipts at most.")
    receipts.accept([said for said in map(_receipt, listed) if said], now=timezone.now())
    return answer({"success": True})


def _receipt(raw: msgspec.Raw) -> receipts.Receipt | None:
    try:
        said = _said.decode(raw)
    except msgspec.MsgspecError:
        return None
    return receipts.Receipt(push=said.push, kind=said.kind, token=said.token, at=_moment(said.at))


def _moment(said: object) -> dt.datetime | None:
    try:
        moment = msgspec.convert(said, dt.datetime)
    except msgspec.ValidationError:
        return None
    return moment if moment.tzinfo else None
