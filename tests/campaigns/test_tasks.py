"""What the clock runs of campaigns."""

import logging

import pytest

from campaigns import tasks
from delivery.models import Wave
from tests import make

pytestmark = pytest.mark.django_db


def test_each_wave_that_cannot_be_planned_is_told(caplog):
    broken = [
        make.wave(origin=f"campaign:{number}", state=Wave.State.PLANNING, planned_at=None, due_at=make.NOW)
        for number in (9_999_998, 9_999_999)
    ]
    with caplog.at_level(logging.ERROR), pytest.raises(Exception, match="does not exist"):
        tasks.open_due()
    for wave in broken:
        assert f"wave {wave.pk} was not planned" in caplog.text
