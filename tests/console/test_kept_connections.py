"""A connection to the database is kept from request to request, and made anew where the old one has ended."""

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def kept():
    """A connection of its own, as a web server's thread keeps it."""
    one = connection.copy()
    one.settings_dict = connection.settings_dict | {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
    one.inc_thread_sharing()
    yield one
    one.close()


def pid_of(one):
    with one.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def last_words(pid):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [pid])
        return cursor.fetchone()[0]


def test_a_connection_that_stands_is_used_again_and_not_asked_first(kept):
    pid = pid_of(kept)
    said = last_words(pid)
    kept.close_if_unusable_or_obsolete()  # the next request begins
    kept.ensure_connection()
    kept.close_if_health_check_failed()
    assert last_words(pid) == said
    assert pid_of(kept) == pid


def test_a_connection_that_the_server_has_ended_is_made_anew(kept):
    pid = pid_of(kept)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
        assert cursor.fetchone()[0]
    kept.close_if_unusable_or_obsolete()
    assert pid_of(kept) != pid
