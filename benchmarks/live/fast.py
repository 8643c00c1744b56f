"""The live scenarios without HTTP: the same plan, simulated miners, river and score, in seconds instead of 18 minutes.

`python -m benchmarks.live.fast [--miners 60] [--scenarios steps ramp] [--set horizon_s=600]`.

`FarmModel` stands for the program and the simulator's own physics for the miners. What it leaves out: faults (of the
storm only its river is left), latencies of HTTP, and pollers with a rhythm of their own. `--phases` runs are made, each
with the river another part of a reading interval later, and their mean is printed: one run alone is a matter of luck.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from app.core import ladder, settings
from app.core.farm_hardware import Hardware, OperatingPoint, Polled
from app.core.farm_model import FarmModel, ModelMiner, Reading, Run
from app.core.readings import MinerState, Preset
from app.core.types import MinerView, Mode, Settings
from benchmarks.balancing.fleet import MORE
from benchmarks.live.farm import LiveFarm, allowed
from benchmarks.live.fast_learner import LiveLearner
from benchmarks.live.scenarios import SCENARIOS
from benchmarks.live.score import Sample, Score, score
from simulator import ladders as simulated
from simulator.ladders import MODELS, MinerModel
from simulator.miner import SimMiner
from simulator.physics import HASHING, MinerPhysics, State

WARM_S = 210
INTERVAL_S, COLLECTED_S, LATENCY_S = 15, 8, 0.5
STATES = {State.STOPPED: MinerState.STOPPED, State.SHUTTING_DOWN: MinerState.SHUTTING_DOWN}


class Simulated(Hardware):
    """The simulator's miners, with the model's seconds for a clock. `settled`: by second, what the presets promise."""

    def __init__(self, miners: Sequence[SimMiner], now_s: float) -> None:
        super().__init__([], now_s)
        self.miners = [
            MinerPhysics(m.model, m.physics.saved_preset, now_s=now_s, timing=m.physics.timing,
                         behaviour=m.physics.behaviour, seed=m.index)
            for m in miners
        ]  # fmt: skip
        self.settled: dict[float, tuple[float, float]] = {}
        self.restarted = [False] * len(self.miners)  # the latest change
        self._coming: list[tuple[float, int, int, str | None]] = []
        self.advance(now_s)

    def command(self, miner: int, point: OperatingPoint, at_s: float) -> None:
        """Let a preset (with the restart that it may ask for), a stop or a start arrive."""
        heapq.heappush(self._coming, (at_s, self._order, miner, point.preset))
        self._order += 1

    def advance(self, to_s: float) -> None:
        """Let time pass."""
        while self._coming and self._coming[0][0] <= to_s:
            at_s, _, number, preset = heapq.heappop(self._coming)
            self._obey(number, preset, at_s)
        self.now_s = to_s
        self.drawn_w = sum(m.power_w(to_s) for m in self.miners)
        self.hashed_ths = sum(m.hashrate_ths(to_s) for m in self.miners)
        found = [settled_point(m, to_s) for m in self.miners]
        self.settled[to_s] = sum(w for w, _ in found), sum(ths for _, ths in found)

    def poll(self, miner: int) -> Polled:
        """Return what the miner shows at `now_s`."""
        machine, now_s = self.miners[miner], self.now_s
        state = machine.state(now_s)
        known = MinerState.MINING if state in HASHING else STATES.get(state, MinerState.RESTARTING)
        preset = None if known is MinerState.STOPPED else machine.running_preset
        waiting = any(number == miner for _, _, number, _ in self._coming)
        return Polled(known, preset, machine.power_w(now_s), machine.hashrate_ths(now_s),
                      steady=not waiting and known is not MinerState.RESTARTING)  # fmt: skip

    def _obey(self, number: int, preset: str | None, at_s: float) -> None:
        machine = self.miners[number]
        if preset is None:
            machine.stop(at_s)
            return
        self.restarted[number] = machine.save_preset(preset, at_s).restart_required
        if self.restarted[number]:
            machine.restart(at_s)
        elif machine.state(at_s) is State.STOPPED:
            machine.start(at_s)


def settled_point(machine: MinerPhysics, at_s: float) -> tuple[float, float]:
    """Return what the miner will draw (W) and hash (TH/s) on what it runs, once it has come up."""
    if machine.state(at_s) in (State.STOPPED, State.SHUTTING_DOWN):
        return machine.power_w(at_s), 0.0
    preset, own = machine.model.preset(machine.running_preset), machine.behaviour
    return preset.power_w * own.power_share, preset.hashrate_ths * own.hash_share


class LiveModel(FarmModel):
    """`FarmModel` on simulated miners."""

    def __init__(self, farm: LiveFarm, wished: Settings) -> None:
        miners = [ModelMiner(_view(miner)) for miner in farm.simulator.miners]
        self.simulated = Simulated(farm.simulator.miners, -WARM_S)
        super().__init__(miners, wished, interval_s=INTERVAL_S, begins_s=-WARM_S,
                         learn=LiveLearner(self.simulated.restarted.__getitem__))  # fmt: skip
        self._hardware = self.simulated

    @property
    def views(self) -> list[MinerView]:
        """Return what the program believes of the miners."""
        return self._views


def _view(miner: SimMiner) -> MinerView:
    model = miner.model
    top, running = allowed(model)[-1], miner.physics.running_preset
    return MinerView(
        id=miner.index, mac=miner.mac, ladder=LADDERS.setdefault(model.alias, _ladder(model)), model_alias=model.alias,
        managed=True, max_preset=top.name, max_preset_w=top.power_w, state=MinerState.MINING,
        running_preset=running, saved_preset=running,
    )  # fmt: skip


LADDERS: dict[str, ladder.Ladder] = {}


def _ladder(model: MinerModel) -> ladder.Ladder:
    return ladder.build(
        Preset(p.name, p.power_w, p.hashrate_ths, tuned=p.tuned, modded_psu_required=p.modded_psu_required)
        for p in model.steps()
    )


def run(farm: LiveFarm, wished: Settings, phase_s: float = 0.0) -> tuple[Score, Run, LiveModel]:
    """Run the farm's scenario, the river `phase_s` later than the readings' rhythm."""
    length_s = int(farm.scenario.length_s)
    model = LiveModel(farm, wished)
    found = model.run(readings(farm, phase_s), length_s).since(0)
    samples = [
        Sample(float(s), _generation_kw(farm, s), found.drawn_w[s], found.hashed_ths[s], *model.simulated.settled[s])
        for s in range(length_s)
    ]
    return score(samples, farm.truth, farm.load, farm.scenario.falls_s()), found, model


def readings(farm: LiveFarm, phase_s: float) -> list[Reading]:
    """Return what is read every 15 s, from the warm-up on, of what the plant collects every 8 s."""
    found = []
    for at_s in np.arange(phase_s - WARM_S, farm.scenario.length_s, INTERVAL_S):
        collected_s = max(-WARM_S, (at_s - LATENCY_S) // COLLECTED_S * COLLECTED_S)
        kw = float(farm.load.available_w(np.array(_generation_kw(farm, collected_s)))) / 1000.0
        found.append(Reading(float(at_s), kw, float(at_s - collected_s)))
    return found


def _generation_kw(farm: LiveFarm, at_s: float) -> float:
    return farm.load.generation_kw(farm.scenario.share(at_s) * farm.truth.max_w)


def parser(module: str, about: str | None) -> argparse.ArgumentParser:
    """Return what the commands on fast farms have in common."""
    cli = argparse.ArgumentParser(prog=f"python -m {module}", description=(about or "").splitlines()[0])
    cli.add_argument("--miners", type=int, nargs="+", default=[60])
    cli.add_argument("--scenarios", nargs="+", choices=list(SCENARIOS), default=["steps", "ramp", "flapping", "storm"])
    cli.add_argument("--seed", type=int, default=7)
    cli.add_argument("--every-preset", action="store_true",
                     help="all are tuned, as in the model farm: a fall by 60 %% stops hardly any miner")  # fmt: skip
    cli.add_argument("--restart-s", type=float, help="every change needs a restart of so many seconds, and its ramp")
    return cli


def farms(args: argparse.Namespace) -> Iterator[LiveFarm]:
    """Return the farms that the command line asks for."""
    if args.every_preset:
        MODELS.update({alias: all_tuned(model) for alias, model in MODELS.items()})
    for miners, name in itertools.product(args.miners, args.scenarios):
        farm = LiveFarm.of(SCENARIOS[name], miners, seed=args.seed, topology="foreign", margin_percent=10.0,
                           base_ip="127.190.0.1")  # fmt: skip
        for miner in farm.simulator.miners if args.restart_s else ():
            miner.physics.timing = replace(miner.physics.timing, dip_s=args.restart_s)
            miner.physics.behaviour = replace(miner.physics.behaviour, change_mode="restart")
        yield farm


def all_tuned(model: MinerModel) -> MinerModel:
    """Return the model with every preset tuned, on the stock power supply, and those that the model farm adds."""
    steps = [replace(p, tuned=True, modded_psu_required=False) for p in model.steps()]
    steps += [simulated.Preset(str(w), w, ths, tuned=True) for w, ths in MORE.get(model.alias, ())]
    return replace(model, presets=(model.preset(simulated.DISABLED), *steps))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each scenario."""
    cli = parser("benchmarks.live.fast", __doc__)
    cli.add_argument("--phases", type=int, default=5, help="runs, with the river later by a part of 15 s each")
    cli.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="run-time settings")
    args = cli.parse_args(arguments)
    wished = replace(settings.changed(Settings(), settings.read(args.set)), mode=Mode.ARMED)
    print("| scenario | miners | % of bound | from-to | switching | unused | allocation | above | above target kWh | "
          "overload s | changes/miner-day |\n" + "| --- " * 11 + "|")  # fmt: skip
    for farm in farms(args):
        runs = [run(farm, wished, INTERVAL_S * k / args.phases) for k in range(args.phases)]
        print(_line(farm, runs), flush=True)
    return 0


def _line(farm: LiveFarm, runs: Sequence[tuple[Score, Run, LiveModel]]) -> str:
    name, miners, length_s = farm.scenario.name, farm.truth.size, farm.scenario.length_s
    scores = [found for found, _, _ in runs]
    shares = [found.share for found in scores]
    means = [
        statistics.mean(getattr(found, field) for found in scores)
        for field in ("lost_switching", "lost_unused", "lost_allocation", "lost_above", "above_target_kwh",
                      "overload_s")
    ]  # fmt: skip
    changes = statistics.mean(found.changes for _, found, _ in runs) / miners * 86_400.0 / length_s
    numbers = " | ".join(f"{value:.2f}" for value in means)
    return (f"| {name} | {miners} | {statistics.mean(shares):.2f} | {min(shares):.1f}-{max(shares):.1f} | {numbers} | "
            f"{changes:.0f} |")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
