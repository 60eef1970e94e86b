"""Workers and clocks on several hosts: one loses its power or its network in the middle of a wave."""

import time
from contextlib import closing

import pytest
from django.db import connection

from tests.delivery.sending import planned, reachable, states
from tests.drills.books import assert_books_balance, is_over
from tests.drills.hosts import Network, NotAllowed
from tests.drills.processes import wait_for
from tests.gateways.door import Door

pytestmark = pytest.mark.slow
MICRO_BATCH = 16
WAVES, EACH = 12, 125
COUNT = WAVES * EACH


@pytest.fixture
def network():
    try:
        made = Network()
    except NotAllowed as problem:
        pytest.skip(f"no hosts here: {problem}")
    yield made
    made.close()


@pytest.fixture
def door(network, push_service, settings, monkeypatch):
    """The way from the hosts to the push service."""
    with closing(Door(push_service.port, host=network.address)) as made:
        monkeypatch.setattr(push_service, "origin", f"http://{network.address}:{made.port}")
        settings.HEED_PUSH_ORIGINS = (push_service.origin,)
        yield made


@pytest.fixture
def spread(network, own_servers, own_processes, door, settings):
    """Processes for two hosts, each with a clock and two workers."""
    own_processes.environment |= network.serve(own_servers) | {
        "HEED_PUSH_ORIGINS": settings.HEED_PUSH_ORIGINS[0],
        "HEED_MICRO_BATCH": str(MICRO_BATCH),
        "HEED_WORKERS": "4",
    }
    connection.close()
    for host in network.hosts:
        host.start(own_processes, "manage.py", "clock")
        for _ in range(2):
            host.start(own_processes, "-m", "tests.drills.worker")
    return own_processes


def many(service, now, *, first=0):
    """Small waves: no worker claims so much that there is nothing left for the others."""
    return [planned(reachable(service, EACH, first=first + EACH * n), now=now) for n in range(WAVES)]


def test_hosts_share_a_wave_and_one_that_loses_its_power_takes_a_micro_batch_of_each_worker_with_it(
    spread, network, door, push_service, start_at
):
    first, other = network.hosts
    push_service.control(delay=0.02)
    waves = many(push_service, start_at)
    wait_for(lambda: all(door.carried[host.address] > 20_000 for host in network.hosts))
    first.lose_power(spread)
    push_service.control(delay=0)
    wait_for(lambda: is_over(*waves), seconds=60)
    counted = assert_books_balance(waves, COUNT, push_service)
    assert counted["unknown(worker_lost)"] <= MICRO_BATCH * 2
    assert counted["sent"] + counted["unknown(worker_lost)"] == COUNT
    # The other host's clock goes on with what is due from now on.
    later = planned(reachable(push_service, 50, first=COUNT), now=start_at)
    wait_for(lambda: is_over(later))
    assert all(process.poll() is None for process in other.running)


def test_a_host_that_is_cut_off_and_comes_back_doubles_nothing(spread, network, door, push_service, start_at):
    first = network.hosts[0]
    push_service.control(delay=0.02)
    waves = many(push_service, start_at)
    wait_for(lambda: all(door.carried[host.address] > 20_000 for host in network.hosts))
    first.cut_off()
    time.sleep(6)
    first.connect()
    push_service.control(delay=0)
    wait_for(lambda: is_over(*waves), seconds=60)
    before = door.carried[first.address]
    later = many(push_service, start_at, first=COUNT)
    wait_for(lambda: is_over(*later), seconds=60)
    assert door.carried[first.address] > before, "it works again, and nobody lent a hand"
    counted = assert_books_balance([*waves, *later], 2 * COUNT, push_service)
    assert counted["unknown(worker_lost)"] + counted["unknown(no_answer)"] <= MICRO_BATCH * 2
    assert all(process.poll() is None for host in network.hosts for process in host.running)


HOLDS = """
import django, time
django.setup()
from django.db import connection, transaction
with transaction.atomic(), connection.cursor() as cursor:
    cursor.execute("SELECT FROM delivery_message WHERE id % 5 = 0 FOR UPDATE")
    time.sleep(600)
"""


@pytest.mark.on_demand
def test_what_a_transaction_of_a_lost_host_holds_is_free_within_half_a_minute(
    network, own_servers, own_processes, door, settings, push_service, start_at
):
    """Without asking after it, PostgreSQL would leave it alone for a minute, and its locks with it."""
    own_processes.environment |= network.serve(own_servers) | {"HEED_PUSH_ORIGINS": settings.HEED_PUSH_ORIGINS[0]}
    connection.close()
    wave = planned(reachable(push_service, 100), now=start_at)
    first, other = network.hosts
    first.start(own_processes, "-c", HOLDS)
    wait_for(lambda: held_rows() == 20)
    other.start(own_processes, "manage.py", "clock")
    other.start(own_processes, "-m", "tests.drills.worker")
    wait_for(lambda: states(wave) == {"sent": 80, "queued": 20})
    first.lose_power(own_processes)
    assert held_rows() == 20, "nobody told PostgreSQL"
    wait_for(lambda: is_over(wave), seconds=45)
    assert_books_balance(wave, 100, push_service)


def held_rows():
    """Messages that a transaction holds, so that nobody else may claim them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH free AS (SELECT id FROM delivery_message FOR UPDATE SKIP LOCKED)
            SELECT (SELECT count(*) FROM delivery_message) - (SELECT count(*) FROM free)
            """
        )
        return cursor.fetchone()[0]
