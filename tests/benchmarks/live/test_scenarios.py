"""The rivers of the live bench: continuous where they should be, never still, of the length that is wanted."""

from __future__ import annotations

import pytest

from benchmarks.live.scenarios import FULL, RIPPLE_SHARE, SCENARIOS, Scenario
from simulator.faults import MINER_FAULTS, PLANT_FAULTS


@pytest.mark.parametrize(
    "at_s, level", [(-100, 1.0), (0, 1.0), (9, 1.0), (10, 0.5), (19, 0.5), (25, 0.6), (30, 0.7), (999, 0.7)]
)
def test_a_river_follows_its_points(at_s: float, level: float) -> None:
    river = Scenario("river", ((0, 1.0), (10, 1.0), (10, 0.5), (20, 0.5), (30, 0.7)))
    assert river.share(at_s) == pytest.approx(level, rel=RIPPLE_SHARE)


def test_the_steps_fall_by_30_and_60_percent_and_come_back() -> None:
    steps = SCENARIOS["steps"]
    assert steps.falls_s() == [45, 435]
    levels = [steps.share(at) / FULL for at in (44, 45, 194, 195, 434, 435, 584, 585, 899)]
    assert levels == pytest.approx([1, 0.7, 0.7, 1, 1, 0.4, 0.4, 1, 1], rel=2 * RIPPLE_SHARE)


@pytest.mark.parametrize("name", ["ramp", "flapping", "storm"])
def test_other_rivers_have_no_fall_to_be_timed(name: str) -> None:
    assert SCENARIOS[name].falls_s() == []


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))
def test_a_scenario_lasts_12_to_15_minutes_and_all_of_it_ends_within(scenario: Scenario) -> None:
    assert 12 * 60 <= scenario.length_s <= 15 * 60
    assert scenario.points[0][0] == 0
    assert [at for at, _ in scenario.points] == sorted(at for at, _ in scenario.points)
    troubles = (*scenario.miner_faults, *scenario.plant_faults)
    assert all(0 <= trouble.begins_s < trouble.ends_s < scenario.length_s for trouble in troubles)
    assert {trouble.fault for trouble in scenario.miner_faults} <= MINER_FAULTS
    assert {trouble.fault for trouble in scenario.plant_faults} <= PLANT_FAULTS


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))
def test_no_river_shows_the_same_value_for_long(scenario: Scenario) -> None:
    """Frozen values count as stale after ten minutes; a meter resolves 0.1 kW, of a farm of some 20 kW at least."""
    shown = [round(200 * scenario.share(at)) for at in range(-600, 0)]
    assert len(set(shown)) > 1 or len({round(2000 * scenario.share(at)) for at in range(-600, 0)}) > 1


def test_the_storms_differ_in_the_trust_alone() -> None:
    melting, held = SCENARIOS["storm"], SCENARIOS["storm, trust held"]
    assert (melting.points, melting.miner_faults, melting.plant_faults) == (
        held.points, held.miner_faults, held.plant_faults,
    )  # fmt: skip
    name = "stale_derate_percent_per_min"
    assert (melting.settings[name], held.settings[name]) == (5, 0)


def test_a_squeezed_scenario_keeps_its_shape() -> None:
    storm = SCENARIOS["storm"]
    short = storm.lasting(storm.length_s / 60 / 4)
    assert short.length_s == pytest.approx(storm.length_s / 4)
    assert short.points[2] == (storm.points[2][0] / 4, storm.points[2][1])
    assert short.plant_faults[0].begins_s == storm.plant_faults[0].begins_s / 4
    assert short.miner_faults[0].ends_s == storm.miner_faults[0].ends_s / 4
