"""Devices of an audience that no push credential serves: whoever has no other device would not get the message."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, connection, transaction

from audiences.models import Device, Segment
from audiences.segments import audience
from audiences.segments.comparing_sql import Sql
from audiences.segments.sql import LIVE_DEVICE
from delivery.routes import Routes

COUNTING_MS = 2_000
Kind = tuple[str, str, str]
"""(gateway, app, environment)"""


@dataclass(frozen=True, slots=True)
class Unserved:
    """`devices` of one app that could be pushed to if they had a credential. `app` and `environment` may be empty."""

    gateway: str
    app: str
    environment: str
    devices: int


def unserved(included: Iterable[Segment], excluded: Iterable[Segment], *, now: dt.datetime) -> list[Unserved]:
    """The most frequent first; nothing where counting took longer than COUNTING_MS. Two statements, a third where some are
    found. Raises InvalidRule."""
    kinds = unserved_kinds()
    # Mostly there is nothing to count.
    if not kinds:
        return []
    members = audience.members(included, excluded, now=now)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            audience.make_room(cursor)
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{COUNTING_MS}ms"])
            found = _counted(cursor, kinds, members)
            cursor.execute("SELECT set_config('statement_timeout', '0', true)")
    except OperationalError:
        return []
    return found


# From one kind to the next in the index, where GROUP BY would read every device.
_KINDS = """
WITH RECURSIVE kind AS (
    (SELECT gateway, app, environment FROM audiences_device ORDER BY 1, 2, 3 LIMIT 1)
    UNION ALL
    SELECT next.* FROM kind, LATERAL (
        SELECT d.gateway, d.app, d.environment FROM audiences_device d
        WHERE (d.gateway, d.app, d.environment) > (kind.gateway, kind.app, kind.environment) ORDER BY 1, 2, 3 LIMIT 1
    ) AS next
)
SELECT gateway, app, environment FROM kind
"""


def unserved_kinds() -> list[Kind]:
    """Which kinds of device no credential serves, of all there are, in their order. Two statements, each of a moment."""
    routes = Routes.current()
    with connection.cursor() as cursor:
        cursor.execute(_KINDS)
        return [kind for kind in cursor.fetchall() if routes.choose(kind[0], "", *kind[1:]) is None]


def is_of(kinds: Sequence[Kind]) -> Sql:
    """(condition, parameters) that a row of audiences_device is of one of these kinds."""
    gateways, apps, environments = ([kind[column] for kind in kinds] for column in range(3))
    condition = "(gateway, app, environment) IN (SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]))"
    return condition, [gateways, apps, environments]


def _counted(cursor: Any, kinds: Sequence[Kind], members: Sql) -> list[Unserved]:
    statement, params = members
    is_unserved, given = is_of(kinds)
    cursor.execute(
        f"""
        SELECT gateway, app, environment, count(*) FROM audiences_device
        WHERE {is_unserved} AND {LIVE_DEVICE} AND profile_id IN ({statement})
        GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3
        """,
        [*given, *params],
    )
    return [Unserved(*row) for row in cursor.fetchall()]


def in_words(one: Unserved) -> str:
    """As in “312 Android devices have no credential for com.shop.app.”"""
    platform = {Device.Gateway.FCM: "Android", Device.Gateway.APNS: "iOS"}.get(Device.Gateway(one.gateway), "web push")
    devices = f"1 {platform} device has" if one.devices == 1 else f"{one.devices:,} {platform} devices have"
    sandbox = " in Apple's sandbox" if one.environment == Device.Environment.SANDBOX else ""
    return f"{devices} no credential{f' for {one.app}' if one.app else ''}{sandbox}."
