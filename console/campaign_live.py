"""What a marketer sees of a campaign while it goes out: how far it is, what it waits for, what push services answer."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from audiences.models import Device
from campaigns.models import Campaign
from console import stops
from console.error_words import what_to_do
from console.progress import Progress, progress_of
from console.verdict_words import reason_words, state_words
from delivery import holds, rhythm
from delivery.gates.facts import THROTTLED
from delivery.models import Credential, Hold, Wave
from delivery.models.credential import BROKEN

SAMPLE = 500
OUTCOMES = ("sent", "rejected", "dropped", "unknown", "retry")
BEGAN_NOTHING = "not_begun"


@dataclass(frozen=True, slots=True)
class Waiting:
    """So many people wait for a reason; `frees_at`: when the first of them goes on, None where nobody can say."""

    reason: str
    words: str
    people: int
    frees_at: dt.datetime | None
    goes_on: str


@dataclass(frozen=True, slots=True)
class Service:
    """What one credential's push service made of the pushes so far, by outcome in the order of OUTCOMES."""

    name: str
    gateway: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Error:
    """So many pushes of a gateway that were answered alike: what it means, and what to do."""

    gateway: str
    status: str
    words: str
    then: str
    advice: str
    pushes: int


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence about what keeps it, with the page that says more."""

    weight: str
    says: str
    credential: int | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """Everything that the page shows."""

    progress: Progress | None
    per_minute: int = 0
    ends_at: dt.datetime | None = None
    notes: Sequence[Note] = ()
    waiting: Sequence[Waiting] = ()
    services: Sequence[Service] = ()
    errors: Sequence[Error] = ()
    reasons: Sequence[tuple[str, str, str, str, int]] = ()
    states: Sequence[tuple[str, str, int]] = ()


def live_view(campaign: Campaign, *, now: dt.datetime) -> Live:
    """How a launched campaign stands. Five queries, however large it is."""
    wave = Wave.objects.filter(origin=campaign.origin).order_by("pk").first()
    if wave is None:
        return Live(None)
    (progress,) = progress_of([wave])
    held = list(holds.in_force(now=now).values())
    used = {pk for pk, *_ in progress.counts.pushes} | {hold.credential_id for hold in held}
    credentials = Credential.objects.in_bulk([pk for pk in used if pk])
    waiting = list(_waiting(progress, held, now=now))
    return Live(
        progress,
        per_minute=progress.per_minute(now=now),
        ends_at=progress.ends_at(now=now),
        notes=list(_notes(progress, waiting, held, credentials, now=now)),
        waiting=waiting,
        services=list(_services(progress, credentials)),
        errors=list(_errors(progress, credentials)),
        reasons=[
            (state, reason, reason_words(reason), state_words(state), n) for state, reason, n in progress.why_not()
        ],
        states=[(state, state_words(state), n) for state, n in progress.states.most_common()],
    )


def _waiting(progress: Progress, held: Sequence[Hold], *, now: dt.datetime) -> Iterator[Waiting]:
    reasons = progress.why_later()
    if not reasons:
        return
    first = _first_due(progress.wave)
    until: dict[str, dt.datetime | None] = {}
    for hold in held:
        # Who waits for a push service is looked at when that is free: what the message says of its time counts less.
        until[hold.reason] = None if hold.reason == BROKEN else hold.until
    for reason, people in reasons:
        frees_at = until[reason] if reason in until else first.get(reason)
        yield Waiting(reason, reason_words(reason), people, frees_at, _goes_on(frees_at, now=now))


def _goes_on(frees_at: dt.datetime | None, *, now: dt.datetime) -> str:
    if frees_at is None:
        return "when it is free"
    if frees_at <= now:
        return "now"
    day = "" if frees_at - now < dt.timedelta(hours=12) else f"{frees_at:%-d %b} "
    return f"from {day}{frees_at:%H:%M} UTC"


def _first_due(wave: Wave) -> dict[str, dt.datetime]:
    """When the first message that waits for each reason is due, of the 500 that are due first and the 500 last."""
    part = (
        "(SELECT reason, due_at FROM delivery_message WHERE wave_id = %(wave)s AND wave_on = %(wave_on)s"
        " AND state = 'queued' AND due_at > now() ORDER BY due_at {order} LIMIT %(sample)s)"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT reason, min(due_at) FROM ({part.format(order='')} UNION ALL {part.format(order='DESC')}) m"
            " GROUP BY reason",
            {"wave": wave.pk, "wave_on": wave.wave_on, "sample": SAMPLE},
        )
        return dict(cursor.fetchall())


def _notes(
    progress: Progress,
    waiting: Sequence[Waiting],
    held: Sequence[Hold],
    credentials: Mapping[int, Credential],
    *,
    now: dt.datetime,
) -> Iterator[Note]:
    wave = progress.wave
    if wave.state_reason:
        yield Note("warn", f"{wave.state_reason[:1].upper()}{wave.state_reason[1:].rstrip('.')}.")
    if wave.state == Wave.State.RUNNING and wave.per_minute and progress.open:
        yield Note("", f"It goes to no more than {wave.per_minute:,} people a minute, as you set.")
    reasons = {one.reason for one in waiting}
    if "fcm_quarter_hour" in reasons and rhythm.binds(wave) and not wave.exact_time:
        ends = rhythm.quiet_around(now) or rhythm.quiet_around(rhythm.next_quiet(now))
        yield Note("", f"Waits until {ends:%H:%M} UTC: FCM asks for quiet around the quarter hour.")
    if "fcm_ramp" in reasons:
        yield Note("", "Begins slowly: Google asks large runs to take a minute to their full pace.")
    if THROTTLED in reasons:
        slow = [one for one in credentials.values() if one.per_minute]
        for one in slow:
            yield Note("", f"“{one.name}” sends no more than {one.per_minute:,} pushes a minute.", one.pk)
    for hold in held:
        if hold.reason not in reasons or hold.credential_id not in credentials:
            continue
        hold.credential = credentials[hold.credential_id]
        yield _of_hold(hold)


def _of_hold(hold: Hold) -> Note:
    if hold.reason == BROKEN:
        says = f"{hold.origin} is in trouble. One push tries it each half minute; the others wait until it answers."
        return Note("warn", says, hold.credential_id)
    if hold.until:
        where = hold.origin or f"The push service of “{hold.credential.name}”"
        return Note("warn", f"{where} asked us to wait until {hold.until:%H:%M:%S} UTC.", hold.credential_id)
    happened, mend = stops.words(hold)
    return Note("bad", f"{happened} {mend}".strip(), hold.credential_id)


def _services(progress: Progress, credentials: Mapping[int, Credential]) -> Iterator[Service]:
    found: dict[int | None, Counter[str]] = defaultdict(Counter)
    for (pk, state, reason, _), n in progress.counts.pushes.items():
        if reason != BEGAN_NOTHING:
            found[pk][state] += n
    for pk, counts in sorted(found.items(), key=lambda pair: -sum(pair[1].values())):
        name, gateway = _named(credentials.get(pk or 0))
        yield Service(name, gateway, tuple(counts[outcome] for outcome in OUTCOMES))


def _errors(progress: Progress, credentials: Mapping[int, Credential]) -> Iterator[Error]:
    found: Counter[tuple[str, str, str, str]] = Counter()
    for (pk, state, reason, status), n in progress.counts.pushes.items():
        if state != "sent" and reason and reason != BEGAN_NOTHING:
            credential = credentials.get(pk or 0)
            found[credential.gateway if credential else "", status, reason, state] += n
    for (gateway, status, reason, state), n in sorted(found.items(), key=lambda pair: (-pair[1], pair[0])):
        if n > 0:
            words = reason_words(reason)
            yield Error(_gateway(gateway), status, words, THEN[state], what_to_do(reason, state, gateway), n)


THEN = {"rejected": "refused", "dropped": "device gone", "unknown": "unknown", "retry": "tried again"}


def _named(credential: Credential | None) -> tuple[str, str]:
    return (credential.name, _gateway(credential.gateway)) if credential else ("A credential that is gone", "")


def _gateway(gateway: str) -> str:
    return str(dict(Device.Gateway.choices).get(gateway, gateway))
