"""Answers that do not say who is wrong, the address or we: decided by what was answered beside them."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from audiences import statements
from delivery.gateways.base import Action
from delivery.holds import Place
from delivery.models import Push, Wave
from delivery.parcel import Sending
from delivery.sender import Sender

TOKEN_DOUBTED = "token_doubted"  # noqa: S105
"""A reason: this token was refused while others took the message. After two messages it is the token's fault."""

SWITCHED = "other_environment"
"""A reason: the address is tried in Apple's other environment."""

REMEMBERED = dt.timedelta(days=60)


def settle(sender: Sender, wave: Wave, sendings: Sequence[Sending], *, now: dt.datetime) -> None:
    """Give every doubtful answer of a micro-batch its final outcome. Without any: no query."""
    doubtful = [one for one in sendings if one.outcome and one.outcome.doubt]
    if not doubtful:
        return
    places = {one.id: sender.place(one) for one in sendings}
    for one in doubtful:
        if _may_switch(sender, one):
            _end(one, Action.SWITCH, SWITCHED)
    asking = [one for one in doubtful if one.outcome and one.outcome.doubt]
    counted = Counter(places[one.id] for one in asking if _doubt(one) != "token_or_message")
    accepted = Counter(places[one.id] for one in sendings if one.outcome and one.outcome.action == Action.SENT)
    for place, count in counted.items():
        sender.watch.count_doubts(place, count)
    _weigh_messages([one for one in asking if _doubt(one) == "token_or_message"], wave, places, accepted, now=now)
    for one in asking:
        place = places[one.id]
        if _doubt(one) == "environment":
            is_ours = sender.watch.blames_us(place, accepted=accepted[place])
            _end(one, Action.PAUSE if is_ours else Action.DROP, "wrong_environment" if is_ours else "bad_token")
        elif _doubt(one) == "project":
            is_ours = sender.watch.blames_us(place, accepted=accepted[place])
            _end(one, Action.PAUSE if is_ours else Action.DROP, "other_project")


def _may_switch(sender: Sender, one: Sending) -> bool:
    """Once, where the app has a credential for the other environment too."""
    if _doubt(one) != "environment" or (one.earlier and one.earlier.reason == SWITCHED):
        return False
    here = sender.routes.by_id[one.credential_id]
    return any(
        there.gateway == here.gateway and there.app == here.app and there.environment != here.environment
        for there in sender.routes.credentials
    )


def _weigh_messages(
    asking: Sequence[Sending], wave: Wave, places: dict[str, Place], accepted: Counter[Place], *, now: dt.datetime
) -> None:
    """The message is wrong, unless other tokens take it; then the token is in doubt, and dead at its second message."""
    if not asking or wave.origin == Wave.SEND_API:
        return  # what programs send differs from message to message: others prove nothing
    missing = {one.credential_id for one in asking if not accepted[places[one.id]]}
    taken = set(
        Push.objects.filter(wave=wave, wave_on=wave.wave_on, state=Push.State.SENT, credential_id__in=missing)
        .values_list("credential_id", flat=True)
        .distinct()
        if missing
        else ()
    )
    suspects = [one for one in asking if one.credential_id in taken or accepted[places[one.id]]]
    before = _doubted_before(suspects, now=now) if suspects else set()
    for one in suspects:
        if one.device.id in before:
            _end(one, Action.DROP, "bad_token")
        else:
            _end(one, Action.FIX, TOKEN_DOUBTED)


def _doubted_before(suspects: Sequence[Sending], *, now: dt.datetime) -> set[int]:
    """Devices whose token another message left in doubt. One query."""
    found = statements.rows(
        """
        SELECT DISTINCT p.device_id
        FROM audiences_device d
             JOIN delivery_message m ON m.profile_id = d.profile_id AND m.planned_at > %s AND m.wave_on >= %s
             JOIN delivery_push p ON p.message_id = m.id AND p.wave_on = m.wave_on AND p.device_id = d.id
        WHERE d.id = ANY(%s) AND p.id <> ALL(%s::uuid[]) AND p.reason = %s AND p.intent_at >= d.registered_at
        """,
        [
            now - REMEMBERED,
            (now - REMEMBERED).date(),
            [one.device.id for one in suspects],
            [one.id for one in suspects],
            TOKEN_DOUBTED,
        ],
    )
    return {device_id for (device_id,) in found}


def _doubt(one: Sending) -> str:
    return one.outcome.doubt if one.outcome else ""


def _end(one: Sending, action: Action, reason: str) -> None:
    assert one.outcome is not None
    one.outcome = replace(one.outcome, action=action, reason=reason, doubt="")
