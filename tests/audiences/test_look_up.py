"""One look-up finds the profile that a person means."""

from __future__ import annotations

import pytest

from audiences.look_up import profile_named
from tests import make

pytestmark = pytest.mark.django_db


def test_a_profile_is_found_by_any_of_its_ids():
    ada, visitor = make.profile("ada"), make.anonymous("a-browsers-id")
    assert profile_named(" ada ") == ada
    assert profile_named("a-browsers-id") == visitor
    assert profile_named(str(visitor.pk)) == profile_named(f"Anonymous {visitor.pk}") == visitor


def test_the_outer_id_comes_before_our_number():
    visitor = make.anonymous()
    namesake = make.profile(str(visitor.pk))
    assert profile_named(str(visitor.pk)) == namesake
    assert profile_named(f"anonymous {visitor.pk}") == visitor


def test_who_was_merged_is_found_as_whom_they_became_and_who_was_erased_is_not(now):
    survivor = make.profile("survivor")
    absorbed = make.profile("absorbed", merged_into=survivor)
    gone = make.profile("gone", erased_at=now)
    assert profile_named("absorbed") == profile_named(str(absorbed.pk)) == survivor
    assert profile_named("gone") is None
    assert profile_named(str(gone.pk)) is None


@pytest.mark.parametrize("words", ["", " ", "nobody", "9" * 19, "9" * 40, "-1", "\0", "anonymous", "٣"])
def test_words_that_name_nobody_find_nobody(words):
    make.profile("ada")
    assert profile_named(words) is None
