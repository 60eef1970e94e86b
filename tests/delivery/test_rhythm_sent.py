"""FCM's rhythm, end to end: what a worker posts to FCM, and when, by a clock that the test sets."""

import datetime as dt
from collections import Counter

import pytest
from django.db.models import Min

from audiences.models import Device, Profile, Standing
from delivery.dispatch import drain_batch
from delivery.lanes import Lane
from delivery.models import Message, MessageClass, Push
from delivery.rhythm import AROUND, LARGE
from delivery.submission import Submission, submit
from tests import make
from tests.delivery.sending import planned, sender, states
from tests.delivery.stopped_clock import stopped_clock
from tests.gateways.fcm import FcmService

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 2_400
SECOND = dt.timedelta(seconds=1)


@pytest.fixture(autouse=True)
def site(real_now):
    make.no_quiet_hours()
    make.fcm_credential()


@pytest.fixture
def quarter(real_now):
    """The quarter hour next to now, for an access token is made by the host's clock."""
    return dt.datetime.fromtimestamp(round(real_now.timestamp() / 900) * 900, dt.UTC)


@pytest.fixture
def calm(quarter, real_now):
    """A moment near now that no quiet is near."""
    return quarter + dt.timedelta(minutes=4 if quarter <= real_now else -8)


def phones(count, *, first=0):
    people = Profile.objects.bulk_create(
        Profile(external_id=f"phone-{n}", created_at=make.NOW, last_seen_at=make.NOW)
        for n in range(first, first + count)
    )
    Standing.objects.bulk_create(Standing(profile=one) for one in people)
    seen = {"created_at": make.NOW, "registered_at": make.NOW, "last_seen_at": make.NOW}
    Device.objects.bulk_create(
        Device(profile=one, gateway="fcm", address=FcmService.token(n), **seen) for n, one in enumerate(people, first)
    )
    return people


def asked(people, *, at, now, message_class=MessageClass.PROMOTIONAL):
    """A program asks for a message to each, a hundred in one request."""
    submit(
        [
            Submission(
                profile_ids=[one.pk for one in people[start : start + 100]],
                content_source="test",
                message_class=message_class,
                due_at=at,
                expires_at=at + dt.timedelta(hours=2),
            )
            for start in range(0, len(people), 100)
        ],
        now=now,
    )


class Post:
    """Works off what is due, at each second at which something is; remembers the second of each POST."""

    def __init__(self, service, set_to, mine):
        self.service, self.set_to, self.mine = service, set_to, mine
        self.at: Counter[dt.datetime] = Counter()

    def work(self, now):
        self.set_to(now)
        before = len(self.service.requests)
        while drain_batch(self.mine, lane=Lane.NOW) or drain_batch(self.mine):
            pass
        self.at[now] += len(self.service.requests) - before

    def work_off(self, now):
        self.work(now)
        while due := Message.objects.filter(state="queued").aggregate(due=Min("due_at"))["due"]:
            assert due > now, "what is due is worked off"
            now = due.replace(microsecond=0) + SECOND
            self.work(now)

    def within(self, seconds, *, after):
        return sum(n for at, n in self.at.items() if (at - after).total_seconds() <= seconds)


@pytest.fixture
def post(fcm_service, quarter, enter):
    set_to = enter(stopped_clock(quarter - dt.timedelta(minutes=1)))
    return Post(fcm_service, set_to, enter(sender()))


def assert_quiet_and_slow(post, quarter, *, count=MANY):
    assert not [at for at, n in post.at.items() if n and abs((at - quarter).total_seconds()) < AROUND]
    resumed = quarter + dt.timedelta(seconds=AROUND)
    assert post.within(15, after=resumed) == pytest.approx(count / 16, rel=0.35)
    assert post.within(30, after=resumed) == pytest.approx(count / 4, rel=0.2)
    assert post.within(61, after=resumed) == count
    assert len({one["token"] for one in post.service.requests}) == len(post.service.requests) == count
    assert set(Push.objects.values_list("state", "attempt")) == {("sent", 1)}


def test_a_large_run_for_a_quarter_hour_is_posted_after_it_slowly_at_first(post, quarter):
    wave = planned(
        phones(MANY), now=quarter, due_at=quarter, created_at=quarter, planned_count=MANY, running_at=quarter
    )
    post.work(quarter)
    assert states(wave) == {"queued(fcm_quarter_hour)": MANY}
    post.work_off(quarter + SECOND)
    assert states(wave) == {"sent": MANY}
    assert_quiet_and_slow(post, quarter)


def test_it_is_posted_at_the_quarter_hour_where_the_exact_minute_matters(post, quarter):
    values = {"due_at": quarter, "created_at": quarter, "planned_count": MANY, "running_at": quarter}
    planned(phones(MANY), now=quarter, exact_time=True, **values)
    post.work_off(quarter)
    assert post.within(15, after=quarter) == pytest.approx(MANY / 16, rel=0.35)
    assert post.within(61, after=quarter) == MANY


def test_as_many_messages_that_programs_ask_for_keep_the_same_rhythm(post, quarter):
    """A run is what waits at once, whoever asked for it: none goes in the quiet, the first of them included."""
    asked(phones(MANY), at=quarter, now=quarter - dt.timedelta(minutes=5))
    post.work(quarter)
    assert Message.objects.filter(state="queued", reason="fcm_quarter_hour").count() == MANY
    post.work_off(quarter + SECOND)
    assert_quiet_and_slow(post, quarter)


def test_a_transactional_message_goes_at_the_quarter_hour_all_the_same(post, quarter):
    asked(phones(MANY), at=quarter, now=quarter)
    (receipt,) = phones(1, first=MANY)
    asked([receipt], at=quarter, now=quarter, message_class=MessageClass.TRANSACTIONAL)
    post.work(quarter)
    assert [message.profile_id for message in Message.objects.filter(state="sent")] == [receipt.pk]


def test_programs_messages_begin_slowly_at_any_other_time_too(post, calm):
    asked(phones(MANY), at=calm, now=calm)
    post.work_off(calm)
    assert post.within(15, after=calm) == pytest.approx(MANY / 16, rel=0.35)
    assert post.within(30, after=calm) == pytest.approx(MANY / 4, rel=0.2)
    assert post.within(62, after=calm) == MANY


def test_a_few_messages_of_programs_wait_for_nothing(post, quarter):
    asked(phones(LARGE - 1), at=quarter, now=quarter)
    post.work(quarter)
    assert post.at[quarter] == LARGE - 1
