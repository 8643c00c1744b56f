"""The simulated side of a live run: miners that start near their target, a scripted river, faults, and the truth."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from benchmarks.balancing.bounds import hull
from benchmarks.live.scenarios import Scenario
from benchmarks.live.score import Load, Sample, TrueFarm
from simulator import FarmSpec, MinerSpec, PlantSpec, SimMiner, Simulator
from simulator.demo import Topology
from simulator.ladders import MODELS, MinerModel, Preset
from simulator.physics import STOPPED_W

METERED = ("miners", "mixed")  # topologies in which a meter contains the miners
RESTING = frozenset({"stopped", "shutting-down", "failure"})


def allowed(model: MinerModel) -> list[Preset]:
    """Return the presets a miner may be given: tuned, on the stock power supply; ascending."""
    return [preset for preset in model.steps() if preset.tuned and not preset.modded_psu_required]


def near_target(aliases: Sequence[str], share: float) -> list[str]:
    """Return one preset per miner, the best for that share of the farm's maximum by what the labels say."""
    ladders = [allowed(MODELS[alias]) for alias in aliases]
    left_w = share * sum(ladder[-1].power_w for ladder in ladders) - sum(ladder[0].power_w for ladder in ladders)
    chosen = [0] * len(aliases)
    upgrades = []
    for number, ladder in enumerate(ladders):
        on_hull = hull([p.power_w for p in ladder], [p.hashrate_ths for p in ladder])
        for low, high in itertools.pairwise(on_hull):
            more_w = ladder[high].power_w - ladder[low].power_w
            worth = (ladder[high].hashrate_ths - ladder[low].hashrate_ths) / more_w
            upgrades.append((-worth, number, low, high, more_w))
    for _worth, number, low, high, more_w in sorted(upgrades):
        if chosen[number] == low and more_w <= left_w:
            chosen[number] = high
            left_w -= more_w
    return [ladder[step].name for ladder, step in zip(ladders, chosen, strict=True)]


class Deed(NamedTuple):
    at_s: float
    what: str
    do: Callable[[], object]


@dataclass
class LiveFarm:
    """A simulator with one scenario's river and faults. Seconds count from the end of the warm-up."""

    scenario: Scenario
    simulator: Simulator
    load: Load
    truth: TrueFarm
    deeds: list[Deed] = field(default_factory=list)  # still to be done, in order

    @staticmethod
    def of(scenario: Scenario, miners: int, *, seed: int, topology: Topology, margin_percent: float,
           base_ip: str, collect_every_s: float = 8.0) -> LiveFarm:  # fmt: skip
        """Return the farm, not yet started."""
        aliases = [spec.model for spec in FarmSpec.of(miners).miners]
        presets = near_target(aliases, scenario.share(0))
        specs = [MinerSpec(alias, preset=preset) for alias, preset in zip(aliases, presets, strict=True)]
        plant = PlantSpec(collection_interval_s=collect_every_s)
        simulator = Simulator(FarmSpec(specs, base_ip=base_ip), plant, topology=topology, seed=seed)
        containers = (simulator.plant.spec.containers or {}).values()
        load = Load(
            other_kw=sum(container.other_kw for container in containers),
            overhead_share=simulator.plant.spec.overhead_share if topology in METERED else 0.0,
            margin_percent=margin_percent,
        )
        truth = TrueFarm([[_true(miner, preset) for preset in allowed(miner.model)] for miner in simulator.miners])
        farm = LiveFarm(scenario, simulator, load, truth)
        farm.deeds = farm._faults(random.Random(seed))
        simulator.plant.set_generation_kw(farm._generation_kw(0))
        return farm

    def max_presets(self) -> dict[str, str]:
        """Return the highest preset allowed of each model."""
        models = {miner.model.alias: miner.model for miner in self.simulator.miners}
        return {alias: allowed(model)[-1].name for alias, model in models.items()}

    def let_the_river_run(self, warm_up_s: float) -> None:
        """Script every second of the river, from the beginning of the warm-up on."""
        seconds = range(math.ceil(warm_up_s + self.scenario.length_s) + 1)
        self.simulator.plant.set_generation_steps([(at, self._generation_kw(at - warm_up_s)) for at in seconds])

    def act(self, at_s: float) -> list[str]:
        """Do what is due, and say what it was."""
        done = []
        while self.deeds and self.deeds[0].at_s <= at_s:
            deed = self.deeds.pop(0)
            deed.do()
            done.append(deed.what)
        return done

    def sample(self, at_s: float) -> Sample:
        """Return the truth of this moment."""
        drawn_w = hashrate_ths = settled_w = settled_ths = 0.0
        for miner in self.simulator.miners:
            drawn_w += miner.wall_power_w
            hashrate_ths += miner.hashrate_ths
            power_w, ths = settled(miner)
            settled_w += power_w
            settled_ths += ths
        kw = self.simulator.plant.true_generation_kw()
        return Sample(*(round(value, 3) for value in (at_s, kw, drawn_w, hashrate_ths, settled_w, settled_ths)))

    def _generation_kw(self, at_s: float) -> float:
        return self.load.generation_kw(self.scenario.share(at_s) * self.truth.max_w)

    def _faults(self, chance: random.Random) -> list[Deed]:
        simulator, plant = self.simulator, self.simulator.plant
        deeds: list[Deed] = []
        free = list(range(len(simulator.miners)))
        chance.shuffle(free)
        for trouble in self.scenario.miner_faults:
            count = max(1, round(trouble.share * len(simulator.miners)))
            hit, free = free[:count], free[count:]
            begin = partial(simulator.set_fault, hit, trouble.fault, **trouble.args)
            deeds.append(Deed(trouble.begins_s, f"{trouble.fault} on miners {hit}", begin))
            end = partial(simulator.clear_faults, hit, trouble.fault)
            deeds.append(Deed(trouble.ends_s, f"end of {trouble.fault}", end))
        for failure in self.scenario.plant_faults:
            deeds.append(Deed(failure.begins_s, f"plant: {failure.fault}", partial(plant.set_fault, failure.fault)))
            deeds.append(Deed(failure.ends_s, "plant: well again", partial(plant.clear_faults, failure.fault)))
        return sorted(deeds, key=lambda deed: deed.at_s)


def settled(miner: SimMiner) -> tuple[float, float]:
    """Return what a miner will draw (W) and hash (TH/s) on the preset it runs, once it has come up."""
    if miner.state in RESTING:
        return STOPPED_W, 0.0
    return _true(miner, miner.model.preset(miner.running_preset))


def _true(miner: SimMiner, preset: Preset) -> tuple[float, float]:
    own = miner.physics.behaviour
    power_w = preset.power_w * own.power_share * miner.spec.wall_factor
    return power_w, preset.hashrate_ths * own.hash_share
