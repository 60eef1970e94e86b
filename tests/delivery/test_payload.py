"""What goes out with a push."""

from uuid import UUID

from delivery.payload import new_push_ids


def test_pushes_have_ids_of_their_own_that_begin_with_the_time(real_now):
    ids = [UUID(text) for text in new_push_ids(1_000)]
    assert len(set(ids)) == 1_000
    assert {(one.version, one.variant) for one in ids} == {(7, "specified in RFC 4122")}
    assert abs((ids[0].int >> 80) / 1000 - real_now.timestamp()) < 60
