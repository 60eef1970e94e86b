"""What a worker keeps between batches: its name, the one client, a gateway for each credential, what it saw of them."""

from __future__ import annotations

import datetime as dt
import gc
import os
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby

from django.conf import settings
from msgspec.structs import replace

from delivery.addresses import named_origins
from delivery.gateways import gateway_of
from delivery.gateways.base import Action, Gateway, Outcome
from delivery.holds import Place, Watch
from delivery.http import Client
from delivery.lanes import Line
from delivery.parcel import Sending
from delivery.routes import Routes

COLLECT_EVERY = 50_000
"""Values that a worker makes before the collector looks for cycles: more than a claim makes, which has hardly any."""


class NoCredential(LookupError):
    """There is nothing to send with: the console's settings say how to make a push credential."""


@dataclass(slots=True)
class Sender:
    owner: str
    client: Client
    routes: Routes
    line: Line = field(default_factory=Line)
    gateways: dict[int, tuple[bytes, Gateway]] = field(default_factory=dict)  # with the sealed secret it was made of
    watch: Watch = field(default_factory=Watch)
    accepted: Counter[Place] = field(default_factory=Counter)  # since the last loss there: see losses.py
    is_orphan: Callable[[], bool] = lambda: False
    is_stopping: Callable[[], bool] = lambda: False
    pool: ThreadPoolExecutor | None = None

    def refresh(self) -> None:
        """What is in use, paused or retired now. One query. A gateway whose secret was replaced is made anew."""
        self.routes = Routes.current()
        if not self.routes.credentials:
            raise NoCredential("Add a push credential in Settings.")
        in_use = {credential.pk: bytes(credential.secret) for credential in self.routes.credentials}
        self.gateways = {pk: kept for pk, kept in self.gateways.items() if kept[0] == in_use.get(pk)}

    def gateway(self, credential_id: int) -> Gateway:
        """The credential's gateway: made when it is first needed."""
        kept = self.gateways.get(credential_id)
        if kept is None:
            credential = self.routes.by_id[credential_id]
            kept = bytes(credential.secret), gateway_of(credential, self.client)
            self.gateways[credential_id] = kept
        return kept[1]

    def place(self, one: Sending) -> Place:
        """What this push is held, paused or broken together with."""
        return one.credential_id, self.gateway(one.credential_id).origin(one.letter.address)

    def send(self, sendings: Sequence[Sending], *, now: dt.datetime, until: float) -> None:
        """Post each push and note its outcome; credentials go side by side. None begins after `until` (monotonic)."""
        self._post(sendings, now=now, until=until)
        renewing = [one for one in sendings if one.outcome and one.outcome.action == Action.RENEW]
        if renewing:
            # Once more with a new token; who refuses that as well refuses us.
            self._post(renewing, now=now, until=until)
            for one in renewing:
                if one.outcome and one.outcome.action == Action.RENEW:
                    one.outcome = replace(one.outcome, action=Action.PAUSE, reason="unauthorized")

    def _post(self, sendings: Sequence[Sending], *, now: dt.datetime, until: float) -> None:
        groups = [
            (self.gateway(credential_id), list(group))
            for credential_id, group in groupby(
                sorted(sendings, key=lambda one: one.credential_id), key=lambda one: one.credential_id
            )
        ]
        for gateway, _ in groups:
            gateway.prepare(now=now)

        def post(pair: tuple[Gateway, list[Sending]]) -> list[Outcome]:
            gateway, group = pair
            return gateway.send([one.letter for one in group], now=now, until=until)

        if len(groups) > 1:
            self.pool = self.pool or ThreadPoolExecutor(8, thread_name_prefix="gateway")
            answers = list(self.pool.map(post, groups))
        else:
            answers = [post(pair) for pair in groups]
        for (_, group), outcomes in zip(groups, answers, strict=True):
            for one, outcome in zip(group, outcomes, strict=True):
                one.outcome = outcome

    def close(self) -> None:
        self.client.close()
        if self.pool is not None:
            self.pool.shutdown()


def build_sender(*, roots: tuple[bytes, ...] = ()) -> Sender:
    """A sender for this process. Its owner's name is new each time: a restarted worker never inherits claims."""
    owner = f"{socket.gethostname()[:16]}:{os.getpid()}:{secrets.token_hex(4)}"
    if settings.HEED_CA_FILE:
        roots += (settings.HEED_CA_FILE.read_bytes(),)
    sender = Sender(owner, Client(exempt=named_origins(), roots=roots), Routes())
    sender.refresh()
    # What is loaded by now lives as long as the process: the collector need not walk it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)
    return sender
