"""Why a miner that is neither changed nor skipped stays: what decided for the farm, with its numbers."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.plan import plan
from app.core.types import CycleMemory, Mode, Override
from tests.core.builders import fleet, miner, snapshot, stamp


@pytest.mark.parametrize(
    ("generation_kw", "facts", "sentence"),
    [
        (None, {"uptime_s": 10.0}, "stays: there is no plant reading yet: nothing is changed"),
        (25.6, {}, "stays: 23.0 kW of 23.0 kW used, on target"),
        (
            30.0,
            {"memory": CycleMemory(surplus_since=stamp(-20))},
            "stays: surplus of 4.0 kW has lasted 20 of 30 s",
        ),
        (
            30.0,
            {"policy": "economic", "recent_available_kw": (24.0, 30.0, 30.0), "fast_raise_percent": 100},
            "stays: surplus 4.0 kW has lasted 45 of 180 s",
        ),
        (30.0, {"mode": Mode.OFF}, "stays: the mode is off: nothing is planned"),
        (
            24.9,
            {},
            "stays: 23.0 kW used, 0.6 kW above the target: 1 cut freeing 0.1 kW; others were chosen for it",
        ),
        (30.0, {"polled_since_start": False},
         "stays: 23.0 kW of 27.0 kW used, nothing is raised: no full status poll since the start yet"),
    ],
)  # fmt: skip
def test_it_says_what_decided_for_the_farm(generation_kw: float | None, facts: dict[str, Any], sentence: str) -> None:
    decided = plan(snapshot(fleet(10), generation_kw, **facts))
    assert decided.stays == sentence


def test_whoever_is_neither_moved_nor_passed_over_is_covered_by_it() -> None:
    miners = (*fleet(10), miner(11, held=True))
    decided = plan(snapshot(miners, 24.0))
    told = {change.miner_id for change in decided.changes} | {skip.miner_id for skip in decided.skipped}
    assert 11 in told
    assert {m.id for m in miners} - told, "some stay"
    assert decided.stays.endswith("; others were chosen for it")


def test_an_order_for_the_whole_farm_is_told_as_it_is() -> None:
    decided = plan(snapshot(fleet(2, runs="1740"), 30.0, override=Override.MINIMUM))
    assert decided.changes == ()
    assert decided.stays == "stays: all to minimum, ordered by the operator, until resume"


def test_whom_nothing_may_be_sent_has_its_own_reason_in_every_cycle() -> None:
    silent = miner(2, silent_s=90.0, last_accounted_w=2300.0)
    decided = plan(snapshot((miner(1, held=True), silent, miner(3, max_preset=None), miner(4)), 10.3))
    assert decided.changes == ()
    assert [skip.reason for skip in decided.skipped] == [
        "held by an operator",
        "offline for 90 s",
        "no max preset is set for s19jpro",
    ]
    assert decided.stays == "stays: 9.2 kW of 9.3 kW used, on target"
