"""The simulated side of a live run: where the miners start, what the river does, who breaks, what is noted."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from benchmarks.live.farm import LiveFarm, allowed, near_target, settled
from benchmarks.live.scenarios import SCENARIOS, MinerFault, PlantFault, Scenario
from simulator.demo import Topology
from simulator.ladders import MODELS

STILL = Scenario("still", ((0, 0.8), (60, 0.8)))


def farm_of(scenario: Scenario, miners: int = 6, topology: Topology = "foreign") -> LiveFarm:
    return LiveFarm.of(scenario, miners, seed=3, topology=topology, margin_percent=10.0, base_ip="127.190.0.1")


@pytest.mark.parametrize("alias, lowest, highest", [("s19jpro", "1740", "2970"), ("s21pro", "2550", "3610")])
def test_only_tuned_presets_of_the_stock_power_supply_are_allowed(alias: str, lowest: str, highest: str) -> None:
    found = allowed(MODELS[alias])
    assert (found[0].name, found[-1].name) == (lowest, highest)
    assert all(preset.tuned and not preset.modded_psu_required for preset in found)


@pytest.mark.parametrize("share", [0.95, 0.8, 0.6])
def test_miners_start_on_the_best_presets_just_below_their_target(share: float) -> None:
    aliases = ["s19jpro", "s19", "s21pro", "s19jpro"] * 15
    chosen = zip(aliases, near_target(aliases, share), strict=True)
    watts = sum(MODELS[alias].preset(name).power_w for alias, name in chosen)
    most = sum(allowed(MODELS[alias])[-1].power_w for alias in aliases)
    assert 0.99 * share * most < watts <= share * most


def test_below_all_lowest_presets_miners_start_on_those() -> None:
    assert near_target(["s19", "s21pro"], 0.1) == ["1100", "2550"]


@pytest.mark.parametrize("topology", ["foreign", "miners", "mixed"])
def test_the_river_gives_what_the_target_needs(topology: Topology) -> None:
    farm = farm_of(STILL, topology=topology)
    target_w = farm.load.target_w(farm.simulator.plant.true_generation_kw())
    assert target_w == pytest.approx(0.8 * farm.truth.max_w)
    sample = farm.sample(0.0)
    assert target_w * 0.9 < sample.drawn_w < target_w * 1.05
    assert sample.settled_w == pytest.approx(sample.drawn_w, rel=0.005)
    assert sample.settled_ths == pytest.approx(sample.hashrate_ths, rel=0.005)


def test_the_river_begins_with_the_warm_up() -> None:
    farm = farm_of(Scenario("fall", ((0, 0.8), (0, 0.4), (60, 0.4))))
    farm.let_the_river_run(0.5)
    before_kw = farm.simulator.plant.true_generation_kw()
    time.sleep(1.1)
    after_kw = farm.simulator.plant.true_generation_kw()
    assert farm.load.target_w(after_kw) == pytest.approx(0.5 * farm.load.target_w(before_kw), rel=0.01)


def test_a_stopped_miner_settles_at_next_to_nothing() -> None:
    miner = farm_of(STILL).simulator.miners[0]
    miner.technician_stop()
    assert settled(miner) == (28.0, 0.0)


@pytest.fixture
def storm() -> Iterator[LiveFarm]:
    faults = (MinerFault(1, 5, 0.3, "offline"), MinerFault(2, 6, 0.01, "reject", {"status": 400}))
    farm = farm_of(Scenario("storm", ((0, 0.8), (9, 0.8)), faults, (PlantFault(3, 4, "http500"),)))
    with farm.simulator:
        yield farm


def test_faults_come_and_go_at_their_time_and_never_two_on_one_miner(storm: LiveFarm) -> None:
    def broken() -> list[list[str]]:
        return sorted(names for miner in storm.simulator.miners if (names := miner.faults.names()))

    said = storm.act(0)
    assert (said, broken()) == ([], [])
    storm.act(2)
    assert broken() == [["offline"], ["offline"], ["reject"]]
    said = storm.act(3)
    assert (said, storm.simulator.plant.faults.names()) == (["plant: http500"], ["http500"])
    assert len(storm.act(100)) == 3
    assert (broken(), storm.simulator.plant.faults.names(), storm.deeds) == ([], [], [])


def test_the_same_seed_breaks_the_same_miners() -> None:
    one, other = (farm_of(SCENARIOS["storm"], miners=60) for _ in range(2))
    assert [deed.what for deed in one.deeds] == [deed.what for deed in other.deeds]
