"""Spans between two moments, on clocks that are stepped and machines that reboot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core.readings import Stamp
from tests.core.builders import stamp


@pytest.mark.parametrize(
    "then, now, elapsed_s",
    [
        (stamp(0), stamp(40), 40.0),
        (stamp(0), stamp(40, wall_ahead_s=3600), 40.0),  # one boot: the wall clock has no say
        (stamp(0, wall_ahead_s=3600), stamp(40), 40.0),
        (stamp(40), stamp(0), 0.0),
        (stamp(0), replace(stamp(40, boot="next"), monotonic_s=5.0), 40.0),
        (stamp(0), replace(stamp(40, boot="next", wall_ahead_s=-3600), monotonic_s=5.0), 5.0),  # at least this boot
        (stamp(0, boot="unknown"), stamp(40, boot="unknown"), 40.0),
        (stamp(0, boot="unknown"), stamp(40, boot="unknown", wall_ahead_s=-3600), 0.0),  # counts as just made
    ],
)
def test_it_measures_by_the_clock_that_can_be_trusted(then: Stamp, now: Stamp, elapsed_s: float) -> None:
    assert then.elapsed_s(now) == elapsed_s
