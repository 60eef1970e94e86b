"""Adding up: the ledger's messages by state, the gateways' logs, and both against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from delivery import tally
from delivery.models import Message, Push, Wave
from tests.delivery.sending import states
from tests.gateways.scripted import Running

OPEN = ("queued", "claimed", "pushing")
MAY_HAVE_ARRIVED = ("200", "201", "reset-after", "reset-stream", "close-after", "silence", "drip", "drip-body", "huge")
"""The steps of a gateway after which a second POST of the same push would be one too many."""


def is_over(*waves: Wave) -> bool:
    """Whether every message of these waves has come to an end."""
    return not Message.objects.filter(wave__in=waves, state__in=OPEN).exists()


def push_id(request: dict[str, Any]) -> str:
    """Which push a gateway's request was; each gateway's payload carries it in its own place."""
    payload = request["payload"]
    return str(payload.get("data", payload)["push"] if "push" not in payload else payload["push"])


def doubles(*services: Running) -> list[str]:
    """Devices, and tokens, that got more than one push of one send key that was accepted or may have been: whatever
    rows these came from. What must arrive may be sent again, in the place of the first."""
    arrived = [
        (push_id(request), request["token"])
        for service in services
        for request in service.requests
        if request["step"].partition(":")[0] in MAY_HAVE_ARRIVED
    ]
    known = {
        str(pk): row
        for pk, *row in Push.objects.filter(pk__in={pk for pk, _ in arrived}).values_list(
            "pk", "send_key", "device_id", "wave__must_arrive"
        )
    }
    served: Counter[str] = Counter()
    for pk, token in arrived:
        key, device, may_repeat = known.get(pk, (pk, "?", False))
        if not may_repeat:
            served.update((f"{key} on device {device}", f"{key} at {token}"))
    return sorted(name for name, count in served.items() if count > 1)


def assert_books_balance(waves: Wave | Sequence[Wave], planned: int, *services: Running) -> Counter[str]:
    """Every message has an end and they add up to what was planned, in the ledger and in the sums that are kept; every
    push that a gateway saw is in the ledger, none is called sent that never arrived, and nothing arrived twice. Returns
    the messages by state and reason."""
    waves = [waves] if isinstance(waves, Wave) else list(waves)
    counted: Counter[str] = Counter()
    for wave in waves:
        mine = states(wave)
        sums = tally.counts_of([wave])[wave.pk].messages
        assert {f"{state}({reason})" if reason else state: n for (state, reason), n in sums.items()} == mine
        counted.update(mine)
    assert counted.total() == planned, counted
    assert not [name for name in counted if name.partition("(")[0] in OPEN], counted
    requests = [request for service in services for request in service.requests]
    assert [request["error"] for request in requests if "error" in request] == []
    seen = {push_id(request) for request in requests}
    ledger = Push.objects.filter(wave__in=waves)
    assert seen <= _ids(ledger.values_list("pk", flat=True))
    assert _ids(ledger.filter(state="sent").values_list("pk", flat=True)) <= seen, "sent, but no gateway saw it"
    twice = doubles(*services)
    assert not twice, twice
    return counted


def _ids(pks: Iterable[Any]) -> set[str]:
    return {str(pk) for pk in pks}
