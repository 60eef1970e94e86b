"""One message in a thousand that is poison takes none of the others with it."""

import pytest

from audiences.models import Device, Profile
from delivery.models import Message
from tests.delivery.sending import planned, reachable
from tests.drills.books import assert_books_balance, is_over
from tests.drills.processes import wait_for

pytestmark = pytest.mark.slow


def test_a_message_on_which_the_process_dies_is_found_in_three_deaths(processes, push_service, start_at):
    """D17: 999 of 1,000 go out."""
    people = reachable(push_service, 1000)
    deadly = people[617]
    Profile.objects.filter(pk=deadly.pk).update(attributes={"does": "kills"})
    wave = planned(people, now=start_at, content_source="poison")
    processes.clock()
    worker = processes.supervised(HEED_LEASE_SECONDS="2")
    wait_for(lambda: is_over(wave), seconds=60)
    counted = assert_books_balance(wave, 1000, push_service)
    assert counted == {"sent": 999, "rejected(poison)": 1}
    assert Message.objects.get(reason="poison").profile_id == deadly.pk
    assert worker.restarts <= 3


def test_messages_that_cannot_be_made_or_sent_harm_nobody_else(processes, push_service, start_at):
    """D17: a key that is no key, text that is no text, a template that raises, a megabyte, not a number."""
    strange = ["surrogate", "nul", "raises", "large", "nan", "key"]
    people = reachable(push_service, 300)
    odd = dict(zip(strange, people[::50], strict=True))
    for does, person in odd.items():
        Profile.objects.filter(pk=person.pk).update(attributes={"does": does})
    Device.objects.filter(profile=odd["key"]).update(p256dh="BAAA")
    wave = planned(people, now=start_at, content_source="poison")
    processes.clock()
    worker = processes.worker()
    wait_for(lambda: is_over(wave), seconds=60)
    assert worker.poll() is None
    counted = assert_books_balance(wave, 300, push_service)
    became = dict(Message.objects.filter(profile__in=odd.values()).values_list("profile__attributes__does", "reason"))
    assert became == {
        "surrogate": "poison",
        "nul": "poison",
        "raises": "poison",
        "large": "payload_too_large",
        "nan": "",
        "key": "invalid_keys",
    }
    assert counted["sent"] == 295
