"""Old message ids are forgotten; months are made ahead."""

import datetime as dt

import pytest
from django.db import connection

from audiences import upkeep
from audiences.models import Event, SeenCall
from tests import make
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


def test_message_ids_are_kept_for_seven_days_exactly(monkeypatch):
    monkeypatch.setattr(upkeep, "SLICE", 2)
    ages = [dt.timedelta(days=7, seconds=1)] * 5 + [dt.timedelta(days=7) - dt.timedelta(seconds=1), dt.timedelta()]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO audiences_seencall (source_id, message_id, seen_at) VALUES (1, %s, %s)",
            [(str(n), NOW - age) for n, age in enumerate(ages)],
        )
    assert upkeep.drop_seen_calls(now=NOW, most=1) == 2
    assert upkeep.drop_seen_calls(now=NOW) == 3
    assert set(SeenCall.objects.values_list("message_id", flat=True)) == {"5", "6"}


def test_the_next_months_have_partitions_before_events_come():
    far = dt.datetime(2031, 1, 31, tzinfo=dt.UTC)
    upkeep.make_partitions(now=far)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relname LIKE 'audiences_event_2031%%' AND relkind = 'r' ORDER BY 1"
        )
        assert [row[0] for row in cursor.fetchall()] == [f"audiences_event_2031_0{n}" for n in (1, 2, 3, 4)]


@pytest.mark.django_db(transaction=True)
def test_a_new_month_is_counted_as_soon_as_it_has_rows_and_once():
    upkeep.make_partitions(now=dt.datetime(2032, 1, 31, tzinfo=dt.UTC))
    person = make.profile()
    for month, rows in ((1, upkeep.WORTH_COUNTING), (2, 10)):
        at = dt.datetime(2032, month, 10, tzinfo=dt.UTC)
        Event.objects.bulk_create(
            Event(profile=person, name="Seen", occurred_at=at, received_at=at, message_id=f"{month}-{number}")
            for number in range(rows)
        )
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
    assert upkeep.analyze_new_partitions() == ["audiences_event_2032_01"]
    assert upkeep.analyze_new_partitions() == []
