"""Letters for any gateway, and a gateway as a worker makes it."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from delivery import gateways
from delivery.addresses import named_origins
from delivery.gateways.base import Action, Gateway, Letter, Outcome
from delivery.gateways.outcomes import Rule
from delivery.http import Client
from delivery.models import Credential
from delivery.payload import new_push_ids

PAYLOAD = {"v": 1, "receipt": "r.1", "title": "Hello", "body": "We have news.", "manage": "https://example.com/p/1"}


class Asleep(dict[str, str]):
    """Headers over which the process sleeps beyond its lease, just as their request begins."""

    def items(self) -> Any:
        time.sleep(2.1)
        return super().items()


def letter(address: str, **values: Any) -> Letter:
    """An ordinary push to this address; `payload` adds to what it holds."""
    payload = {"push": str(next(new_push_ids(1))), **PAYLOAD, **values.pop("payload", {})}
    return Letter(**{"address": address, "payload": payload, "ttl_seconds": 3600, **values})


@contextmanager
def gateway_of(credential: Credential, certificate: Path) -> Iterator[Gateway]:
    """The credential's gateway with a client of its own, not prepared yet."""
    client = Client(exempt=named_origins(), roots=[(certificate / "ca.pem").read_bytes()])
    yield gateways.gateway_of(credential, client)
    client.close()


def outcome_among_others(service: Any, gateway: Gateway, script: str, *, place: int, now: dt.datetime) -> Outcome:
    """What becomes of the push at this place, 0 to 6, when the service answers it so and takes the six others."""
    service.control(scripts={service.token(place): [script]})
    outcomes = gateway.send([letter(service.token(number)) for number in range(7)], now=now)
    found = outcomes.pop(place)
    assert all(outcome.action == Action.SENT for outcome in outcomes)
    assert len(service.requests) == 7, "nothing is repeated behind our back"
    return found


def rules_hit(table: Sequence[Rule], steps: Sequence[str], signs: Mapping[str, str]) -> list[Rule]:
    """The rules of a table that these scripted answers reach, in its order. `signs`: what a step's word stands for."""
    hit = set()
    for step in steps:
        status, _, word = step.partition(":")
        sign = signs.get(word, word.partition("@")[0])
        if status.isdigit():
            hit.add(next(one for one in table if int(status) in one.statuses and (not one.signs or sign in one.signs)))
    return [one for one in table if one in hit]
