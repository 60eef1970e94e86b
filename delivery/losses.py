"""Whether addresses die faster than they should. A push service that calls nearly all of them dead is wrong, or was
asked with the wrong key: it is not believed before somebody has looked.

For each credential and origin one number is kept over all workers: each address called dead adds one, each push that is
accepted takes one off, and it never falls below zero. Where fewer than half are dead it stays near zero, however many
they are; where nearly all are, it reaches `MOST` before 500 of them have been set aside.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from django.db import connection
from msgspec.structs import replace

from delivery import holds
from delivery.gateways.base import Action
from delivery.holds import Place
from delivery.models import Loss, Wave
from delivery.parcel import Sending
from delivery.sender import Sender

MOST = 400
BELIEVED = dt.timedelta(days=1)
REASON = "mass_drop"
PAUSED_BECAUSE = "A push service calls nearly every device dead: look at the push credential."


def guard(sender: Sender, wave: Wave, sendings: Sequence[Sending], *, now: dt.datetime) -> None:
    """Before anything is recorded: what would be one dead address too many becomes a push that waits, its origin is
    held and the wave paused until somebody looks. One statement for each origin that called an address dead."""
    dead: dict[Place, list[Sending]] = {}
    for one in sendings:
        if one.outcome is not None and one.outcome.action == Action.DROP:
            dead.setdefault(sender.place(one), []).append(one)
    for place, called in dead.items():
        beyond = _count(place, dead=len(called), accepted=sender.accepted.pop(place, 0), now=now) - MOST
        if beyond <= 0:
            continue
        for one in called[-beyond:]:
            assert one.outcome is not None
            one.outcome = replace(one.outcome, action=Action.PAUSE, reason=REASON)
        holds.hold(place, reason=REASON, seconds=None, detail=f"{place[1]} calls nearly every device dead", now=now)
        holds.pause_wave(wave, because=PAUSED_BECAUSE)


def _count(place: Place, *, dead: int, accepted: int, now: dt.datetime) -> int:
    """Take both in, and return the number. One row a place: workers wait for each other here, and none goes beyond."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO delivery_loss AS l (credential_id, origin, count, since) VALUES (%(credential)s, %(origin)s,
                                                                                       %(dead)s, %(now)s)
            ON CONFLICT (credential_id, origin) DO UPDATE SET
                count = CASE WHEN l.believed_until > %(now)s THEN 0 ELSE greatest(l.count - %(accepted)s, 0) + %(dead)s
                        END,
                since = CASE WHEN l.count > %(accepted)s THEN least(l.since, %(now)s) ELSE %(now)s END
            RETURNING count
            """,
            {"credential": place[0], "origin": place[1], "dead": dead, "accepted": accepted, "now": now},
        )
        return int(cursor.fetchone()[0])


def believe(places: Iterable[Place], *, now: dt.datetime) -> None:
    """The addresses are really gone: nothing is counted there for a day."""
    for credential_id, origin in places:
        Loss.objects.filter(credential_id=credential_id, origin=origin).update(count=0, believed_until=now + BELIEVED)
