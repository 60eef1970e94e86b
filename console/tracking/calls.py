"""identify, track, page, screen, group, alias, and batches of them."""

from __future__ import annotations

import datetime as dt

import msgspec
from django.http import HttpRequest, HttpResponse

from audiences.calls import LARGEST_CALL, Context
from audiences.database_clock import database_now
from audiences.ingest import Accepted, accept
from audiences.models import Source
from console.tracking import device_limits, push_events
from console.tracking.bodies import body, decoded
from console.tracking.door import endpoint
from console.tracking.keys import source_of
from console.tracking.refusals import answer, malformed, too_large

MOST_CALLS = 2500
SUCCESS = {"success": True}


class Envelope(msgspec.Struct, rename="camel"):
    batch: list[msgspec.Raw]
    write_key: str | None = None
    # The SDK's clock: one that cannot be read is no reason to lose a batch.
    sent_at: object = None
    context: Context | None = None


class Alone(msgspec.Struct, rename="camel"):
    """What is read of a single call to know whose it is."""

    write_key: str | None = None


_envelope = msgspec.json.Decoder(Envelope)
_alone = msgspec.json.Decoder(Alone)


@endpoint("POST")
def batch(request: HttpRequest) -> HttpResponse:
    """A batch: good calls are stored, the others named; 400 only where none is good."""
    envelope = decoded(body(request), _envelope)
    source = source_of(request, envelope.write_key)
    if len(envelope.batch) > MOST_CALLS:
        raise too_large(f"A batch may have {MOST_CALLS} calls at most.")
    result = _accept(request, envelope.batch, source, sent_at=_moment(envelope.sent_at), context=envelope.context)
    if not result.rejected:
        return answer(SUCCESS)
    rejected = [{"index": index, "path": path, "reason": reason} for index, path, reason in result.rejected]
    if len(rejected) == len(envelope.batch):
        first = result.rejected[0]
        raise malformed(f"batch[{first[0]}].{first[1]}".rstrip("."), first[2], rejected=rejected)
    return answer({**SUCCESS, "rejected": rejected})


@endpoint("POST")
def single(request: HttpRequest, kind: str) -> HttpResponse:
    """One call, whose type is in the address."""
    data = body(request)
    source = source_of(request, decoded(data, _alone).write_key)
    if len(data) > LARGEST_CALL:
        raise too_large(f"A call may have {LARGEST_CALL // 1024} KB at most.")
    result = _accept(request, [data], source, kind=kind)
    for _, path, reason in result.rejected:
        raise malformed(path, reason)
    return answer(SUCCESS)


def _accept(
    request: HttpRequest,
    calls: list[msgspec.Raw] | list[bytes],
    source: Source,
    *,
    sent_at: dt.datetime | None = None,
    context: Context | None = None,
    kind: str | None = None,
) -> Accepted:
    now = database_now()
    result = accept(
        calls,
        source=source,
        now=now,
        sent_at=sent_at,
        context=context,
        kind=kind,
        device_room=device_limits.room(request, source),
    )
    push_events.accept(result, now=now)
    return result


def _moment(said: object) -> dt.datetime | None:
    try:
        moment = msgspec.convert(said, dt.datetime)
    except msgspec.ValidationError:
        return None
    return moment if moment.tzinfo else None
