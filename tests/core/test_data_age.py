"""Fresh, stale, lost: what the age of the plant's reading allows (SPEC 3, 5.5)."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.data_age import judge
from app.core.types import Snapshot
from tests.core.builders import plant, snapshot


def picture(reading: dict[str, Any] | None, **facts: Any) -> Snapshot:
    return snapshot(plant=None if reading is None else plant(**reading), **facts)


@pytest.mark.parametrize(
    ("reading", "facts", "stale", "lost", "trust", "why_not"),
    [
        ({}, {}, False, False, 1.0, None),
        ({"age_s": 45.0}, {}, False, False, 1.0, None),
        ({"age_s": 46.0}, {}, True, False, 1.0, "46 s old"),
        ({"age_s": 120.0}, {}, True, False, 0.95, "120 s old"),
        ({"age_s": 600.0}, {}, True, False, 0.55, "600 s old"),
        ({"age_s": 601.0}, {}, True, True, 0.549, "601 s old"),
        # trust and loss count from the start of the program where that is later
        ({"age_s": 9000.0}, {"uptime_s": 10.0}, True, False, 1.0, "9000 s old"),
        ({"age_s": 9000.0}, {"uptime_s": 601.0}, True, True, 0.549, "9000 s old"),
        # values frozen to the last digit for ten minutes count as stale, and age from then on
        ({"frozen_s": 599.0}, {}, False, False, 1.0, None),
        ({"frozen_s": 600.0}, {}, True, False, 1.0, "frozen for 10 min"),
        ({"frozen_s": 675.0}, {}, True, False, 0.95, "frozen for 11 min"),
        ({"frozen_s": 1200.0}, {}, True, True, 0.5125, "frozen for 20 min"),
        # doubts about a fresh reading
        ({"generation_doubtful": True}, {}, False, False, 1.0, "a generation source has failed"),
        ({"over_generation_twice": True}, {}, False, False, 1.0, "more consumption than generation"),
        ({"contradicted": ("a is foreign, but so", "b not")}, {}, False, False, 1.0, "a is foreign, but so; b not"),
        ({}, {"fresh_since_start": False}, False, False, 1.0, "no fresh plant reading since the start"),
        ({}, {"polled_since_start": False}, False, False, 1.0, "no full status poll"),
        # nothing at all
        (None, {"uptime_s": 600.0}, True, False, 1.0, "no plant reading yet"),
        (None, {"uptime_s": 601.0}, True, True, 1.0, "no plant reading yet"),
        # settings
        ({"age_s": 100.0}, {"stale_after_s": 120}, False, False, 0.967, None),
        ({"age_s": 100.0}, {"lost_after_s": 60}, True, True, 0.967, "100 s old"),
    ],
)
def test_what_an_age_allows(
    reading: dict[str, Any] | None, facts: dict[str, Any], stale: bool, lost: bool, trust: float, why_not: str | None
) -> None:
    age = judge(picture(reading, **facts))
    assert (age.stale, age.lost) == (stale, lost)
    assert age.trust == pytest.approx(trust, abs=0.001)
    assert age.increases_allowed is (why_not is None)
    assert (why_not or "") in (age.why_no_increase or "")
    assert (age.age_s is None) == (reading is None)
