"""The live scenarios without HTTP: simulated miners in the model's time, readings as the plant gives them, lessons."""

from __future__ import annotations

import itertools

import pytest

from app.core.farm_hardware import STOPPED, OperatingPoint
from app.core.readings import MinerState
from app.core.types import Mode, Settings
from benchmarks.live.farm import LiveFarm, allowed
from benchmarks.live.fast import Simulated, all_tuned, main, readings, run
from benchmarks.live.scenarios import Scenario
from simulator.ladders import MODELS

ARMED = Settings(mode=Mode.ARMED)
STILL = Scenario("still", ((0, 0.8), (120, 0.8)))
FALL = Scenario("fall", ((0, 0.95), (60, 0.95), (60, 0.7), (300, 0.7)))


def farm_of(scenario: Scenario, miners: int = 10) -> LiveFarm:
    return LiveFarm.of(scenario, miners, seed=3, topology="foreign", margin_percent=10.0, base_ip="127.190.0.1")


def point(preset: str) -> OperatingPoint:
    return OperatingPoint(preset, 0.0, 0.0)


class TestMiners:
    def of(self, alias: str) -> tuple[Simulated, int]:
        miners = farm_of(STILL).simulator.miners
        return Simulated(miners, 0.0), next(m.index for m in miners if m.model.alias == alias)

    def test_one_without_restart_is_on_its_new_preset_within_seconds(self) -> None:
        farm, s21 = self.of("s21pro")
        farm.command(s21, point("2550"), 1.0)
        farm.advance(1.0)
        farm.advance(7.0)
        shown = farm.poll(s21)
        assert (shown.state, shown.preset) == (MinerState.MINING, "2550")
        assert shown.power_w == pytest.approx(2550, rel=0.05)
        assert not farm.restarted[s21]

    def test_one_that_needs_a_restart_gets_it_and_comes_up_slowly(self) -> None:
        farm, s19 = self.of("s19")
        before_w = farm.drawn_w
        farm.command(s19, point("1100"), 1.0)
        for second in range(1, 8):
            farm.advance(float(second))
        shown = farm.poll(s19)
        assert (shown.state, shown.hashrate_ths) == (MinerState.RESTARTING, 0.0)
        assert farm.drawn_w < before_w
        assert farm.restarted[s19]
        farm.advance(100.0)
        assert farm.poll(s19).power_w == pytest.approx(1100, rel=0.05)

    def test_a_stopped_one_shows_no_preset_promises_nothing_and_comes_back(self) -> None:
        farm, number = self.of("s19jpro")
        whole_ths = farm.settled[0.0][1]
        farm.command(number, STOPPED, 1.0)
        farm.advance(10.0)
        shown = farm.poll(number)
        assert (shown.state, shown.preset, shown.steady) == (MinerState.STOPPED, None, True)
        assert farm.settled[10.0][1] < whole_ths
        farm.command(number, point("1740"), 11.0)
        assert not farm.poll(number).steady
        farm.advance(120.0)
        assert (farm.poll(number).state, farm.poll(number).preset) == (MinerState.MINING, "1740")


@pytest.mark.parametrize("phase_s", [0.0, 4.0, 11.5])
def test_what_is_read_was_collected_up_to_eight_seconds_before(phase_s: float) -> None:
    farm = farm_of(FALL)
    found = readings(farm, phase_s)
    assert [b.at_s - a.at_s for a, b in itertools.pairwise(found)] == [15.0] * (len(found) - 1)
    for reading in found[1:]:
        assert 0.5 <= reading.age_s < 8.5
        target_w = farm.truth.max_w * farm.scenario.share(reading.at_s - reading.age_s)
        assert 900.0 * reading.available_kw == pytest.approx(target_w)


def test_a_still_river_keeps_all_of_the_bound_without_a_change() -> None:
    worth, done, _ = run(farm_of(STILL), ARMED)
    assert worth.share > 98.0
    assert done.changes == 0


def test_a_fall_is_followed_and_teaches_what_changes_cost() -> None:
    worth, done, model = run(farm_of(FALL), ARMED)
    (reached_s,) = worth.reached_s
    assert reached_s is not None
    assert reached_s < 30
    assert done.changes > 0
    quick = [view.switch_loss_s for view in model.views if view.model_alias == "s19jpro"]
    assert set(quick) == {5.0}
    assert {view.soon_loss_s for view in model.views if view.model_alias == "s19jpro"} == {70.0}


def test_with_every_preset_tuned_the_ladders_are_the_model_farms() -> None:
    assert [allowed(all_tuned(MODELS[alias]))[-1].power_w for alias in ("s19jpro", "s19", "s21pro")] == [
        3850,
        4690,
        4690,
    ]


def test_it_prints_a_line_per_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--miners", "4", "--scenarios", "ramp", "flapping", "--phases", "1", "--restart-s", "40"]
    assert main([*asked, "--set", "horizon_s=600"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| ramp", "| flapping"]
    assert {line.count("|") for line in lines} == {12}
