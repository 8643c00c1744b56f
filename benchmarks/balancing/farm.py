"""The model farm (`app.core.farm_model`) on the bench: one fleet, one trace, one policy; what came of it as numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from app.core.economic import NAME
from app.core.farm_hardware import Physics
from app.core.farm_model import T0, Commands, FarmModel, ModelMiner, Reading, Run
from app.core.plan import plan
from app.core.readings import MinerState
from app.core.river import cut_above_w
from app.core.types import MinerView, Plan, Settings, Snapshot
from benchmarks.balancing.bounds import Clairvoyant, foresight_ths
from benchmarks.balancing.fleet import LADDERS, Fleet
from benchmarks.balancing.learner import FactorLearner
from benchmarks.balancing.planners import plan_perfectly
from benchmarks.balancing.reaction import Moment, Overload, attribute

# Overload begins above the target plus what the issue leaves alone, whatever band a policy is tried with.
LEFT_ALONE_W, LEFT_ALONE_SHARE = 500.0, 0.005
WARM_S = 900  # at the trace's first value, before anything counts
LONG_S = 6 * 3600  # traces beyond this are bounded in steps of a minute


@dataclass(frozen=True)
class World:
    """What is so around the program. `belief`: how far learned factors are off at most; `deaf`: share of miners that
    accept commands and do not apply them. `learns`: factors are learned from what miners are measured to do.
    """

    physics: Physics = field(default_factory=Physics)
    commands: Commands = field(default_factory=Commands)
    reading_s: int = 15
    reading_age_s: float = 2.0
    deaf: float = 0.0
    belief: float = 0.0
    learns: bool = False

    @property
    def loss_s(self) -> float:
        """Seconds of its new hashrate that a miner loses with each change."""
        return self.physics.restart_s + self.physics.ramp_s / 2.0

    def known(self) -> World:
        """Return this world without false beliefs, failing commands and deaf miners."""
        return replace(self, belief=0.0, learns=False, deaf=0.0, commands=replace(self.commands, fails=0.0))


@dataclass(frozen=True)
class Result:
    """Of one run, after the warm-up. `share`: of the clairvoyant bound; `share_off`: of the one that may stop miners at
    any time (%). `overload`: above the target and its band, `over_available`: above all there is. `longest_s`: the
    longest time above the target. `changes`: per miner-day. `decision_ms`: processor time, the median of cycles with
    changes.
    """

    share: float
    share_off: float
    overload: Overload
    over_available: Overload
    longest_s: int
    changes: float
    decision_ms: float


class Bench:
    """One fleet in one world on one trace: the target as a share of the fleet's maximum, each second."""

    def __init__(
        self, fleet: Fleet, trace: np.ndarray, world: World | None = None, margin_percent: float = 10.0
    ) -> None:
        self.fleet, self.world = fleet, world or World()
        self.budget_w = trace * fleet.max_w
        self.margin = 1.0 - margin_percent / 100.0
        # SPEC 6: miners are stopped only where even the lowest presets exceed what is available (by more than the
        # tolerance), not the target.
        floor_w, emergency_w = fleet.floor_w, self.budget_w / self.margin + Settings().tolerance_w
        self.allowed_w = np.where(floor_w <= emergency_w, np.maximum(self.budget_w, floor_w), self.budget_w)
        self.free_ths = float(Clairvoyant(fleet).ths(self.allowed_w).sum())
        self.off_ths = float(Clairvoyant(fleet, anywhere=True).ths(self.allowed_w).sum())

    def foresight(self) -> float:
        """Return what perfect foresight could hash at most, in % of the bound without switching cost."""
        step_s = 15 if len(self.budget_w) <= LONG_S else 60
        return 100.0 * foresight_ths(self.fleet, self.allowed_w, self.world.loss_s, step_s) / self.free_ths

    def cutter_kwh(self, settings: Settings, seed: int) -> float:
        """Return the overload of one that cuts exactly, the largest first, and so comes to stand elsewhere."""
        perfect = Bench(self.fleet, self.budget_w / self.fleet.max_w, self.world.known())
        return perfect.run(settings, seed, plan_perfectly).overload.total_kwh

    def run(self, settings: Settings, seed: int, solver: Callable[[Snapshot], Plan] = plan) -> Result:
        """Run the whole trace after a warm-up at its first value."""
        took_ms: list[float] = []
        moments: list[Moment] = []

        def timed(picture: Snapshot) -> Plan:
            began = time.process_time()
            decided = solver(picture)
            if decided.changes and not picture.cuts_only:
                took_ms.append(1000.0 * (time.process_time() - began))
            self._note(moments, picture, decided)
            return decided

        random = np.random.default_rng(seed)
        model = FarmModel(
            self._miners(random), settings, self.world.physics, self.world.commands, interval_s=self.world.reading_s,
            begins_s=-WARM_S, solver=timed, learn=FactorLearner() if self.world.learns else None, dice=random,
        )  # fmt: skip
        run = model.run(self._readings(), len(self.budget_w)).since(0)
        return self._result(run, moments, float(np.median(took_ms)) if took_ms else 0.0)

    def _note(self, moments: list[Moment], picture: Snapshot, decided: Plan) -> None:
        """Note what a perfect planner could do in this picture; a second look in the same cycle adds its cuts."""
        at_s = (picture.now.utc - T0).total_seconds()
        cuts = sum(change.delta_w < 0 for change in decided.sendable)
        if moments and moments[-1].at_s == at_s:
            moments[-1] = replace(moments[-1], cuts=moments[-1].cuts + cuts)
        elif at_s >= 0:
            moments.append(self._moment(at_s, picture, decided, cuts))

    def _moment(self, at_s: float, picture: Snapshot, decided: Plan, cuts: int) -> Moment:
        fleet, settings = self.fleet, picture.settings
        target_w, stops = decided.target_w, fleet.floor_w > decided.available_kw * 1000.0 + settings.tolerance_w
        left_w = self.world.physics.idle * fleet.lowest_w  # a cut miner draws so much at first
        measured_w = np.array([miner.measured_power_w or 0.0 for miner in picture.miners])
        cooling = np.array([miner.cooldown_left_s > 0 for miner in picture.miners])
        sheds_w = np.where(cooling & (not stops), 0.0, np.maximum(measured_w - left_w, 0.0))
        held_to_w = target_w if stops else max(target_w, fleet.floor_w)
        band_w = cut_above_w(target_w, settings) if settings.policy == NAME else settings.tolerance_w
        return Moment(at_s, held_to_w, band_w, np.sort(sheds_w)[::-1], cuts)

    def _miners(self, random: np.random.Generator) -> list[ModelMiner]:
        fleet, n, off = self.fleet, self.fleet.size, self.world.belief
        off_w, off_ths = random.uniform(-off, off, n), random.uniform(-off, off, n)
        deaf = random.random(n) < self.world.deaf
        return [
            ModelMiner(
                miner_view(alias, i, fleet.power[i] * (1 + off_w[i]), fleet.hashrate[i] * (1 + off_ths[i])),
                power_factor=float(fleet.power[i]), hashrate_factor=float(fleet.hashrate[i]), deaf=bool(deaf[i]),
            )
            for i, alias in enumerate(fleet.aliases)
        ]  # fmt: skip

    def _readings(self) -> list[Reading]:
        age_s = self.world.reading_age_s
        return [
            Reading(float(t), float(self.budget_w[max(0, int(t - age_s))]) / self.margin / 1000.0, age_s)
            for t in range(-WARM_S, len(self.budget_w), self.world.reading_s)
        ]

    def _result(self, run: Run, moments: list[Moment], decision_ms: float) -> Result:
        drawn_w, ths = np.array(run.drawn_w), float(np.sum(run.hashed_ths))
        limit_w = self.allowed_w + np.maximum(LEFT_ALONE_W, LEFT_ALONE_SHARE * self.budget_w)
        return Result(
            share=100.0 * ths / self.free_ths,
            share_off=100.0 * ths / self.off_ths,
            overload=attribute(drawn_w, limit_w, moments, self.world.commands),
            over_available=attribute(drawn_w, self.budget_w / self.margin, moments, self.world.commands),
            longest_s=_longest(drawn_w > limit_w),
            changes=run.changes / self.fleet.size / (len(drawn_w) / 86_400.0),
            decision_ms=decision_ms,
        )


def _longest(over: np.ndarray) -> int:
    """Return how many seconds in a row are over, at most."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], over.astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def miner_view(alias: str, number: int, power_factor: float, hashrate_factor: float) -> MinerView:
    """Return a managed miner that mines on its highest preset; the factors are what the program believes."""
    ladder = LADDERS[alias]
    top = ladder.presets[-1]
    return MinerView(
        id=number, mac=f"{number:012x}", ladder=ladder, model_alias=alias, managed=True,
        max_preset=top.name, max_preset_w=top.firmware_power_w, state=MinerState.MINING,
        running_preset=top.name, saved_preset=top.name,
        power_factor=round(float(power_factor), 3), hashrate_factor=round(float(hashrate_factor), 3),
    )  # fmt: skip
