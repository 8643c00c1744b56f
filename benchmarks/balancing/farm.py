"""The model farm (`app.core.farm_model`) on the bench: one fleet, one trace, one policy; what came of it as numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from app.core.farm_hardware import Physics
from app.core.farm_model import Commands, FarmModel, ModelMiner, Reading, Run
from app.core.plan import plan
from app.core.types import MinerState, MinerView, Plan, Settings, Snapshot
from benchmarks.balancing.fleet import LADDERS, Clairvoyant, Fleet

WARM_S = 900  # at the trace's first value, before anything counts


@dataclass(frozen=True)
class World:
    """What is so around the program. `belief`: how far learned factors are off at most; `deaf`: share of miners that
    accept commands and do not apply them.
    """

    physics: Physics = field(default_factory=Physics)
    commands: Commands = field(default_factory=Commands)
    reading_s: int = 15
    reading_age_s: float = 2.0
    deaf: float = 0.0
    belief: float = 0.0


@dataclass
class Result:
    """Of one run, after the warm-up. `reached_s`: from the first second above the target to the target."""

    share: float  # of the clairvoyant bound
    overload_kwh: float
    unavoidable_kwh: float
    reached_s: float
    changes: float  # per miner-day
    decision_ms: float  # the median of cycles with changes
    share_off: float = 0.0  # of the bound that may switch off miners at any time
    over_available_kwh: float = 0.0
    reasons: list[str] = field(default_factory=list)


class Farm:
    """One fleet under one policy and trace. `trace`: target as a share of the fleet's maximum, each second."""

    def __init__(
        self, fleet: Fleet, trace: np.ndarray, settings: Settings, world: World | None = None, seed: int = 1
    ) -> None:
        self.fleet, self.settings, self.world = fleet, settings, world or World()
        self.budget_w = trace * fleet.max_w
        self.margin = 1.0 - settings.safety_margin_percent / 100.0
        self.random = np.random.default_rng(seed)
        self.miners = self._miners()
        self._took_ms: list[float] = []

    def _miners(self) -> list[ModelMiner]:
        n, off = self.fleet.size, self.world.belief
        off_w = self.random.uniform(-off, off, n) if off else np.zeros(n)
        off_ths = self.random.uniform(-off, off, n) if off else np.zeros(n)
        deaf = self.random.random(n) < self.world.deaf
        return [
            ModelMiner(
                miner_view(alias, i, float(self.fleet.power[i] * (1 + off_w[i])),
                           float(self.fleet.hashrate[i] * (1 + off_ths[i]))),
                power_factor=float(self.fleet.power[i]), hashrate_factor=float(self.fleet.hashrate[i]),
                deaf=bool(deaf[i]),
            )
            for i, alias in enumerate(self.fleet.aliases)
        ]  # fmt: skip

    def run(self, solver: Callable[[Snapshot], Plan] = plan) -> Result:
        """Run the whole trace after a warm-up at its first value."""

        def timed(picture: Snapshot) -> Plan:
            began = time.perf_counter()
            decided = solver(picture)
            if decided.changes and not picture.cuts_only:
                self._took_ms.append(1000.0 * (time.perf_counter() - began))
            return decided

        model = FarmModel(
            self.miners, self.settings, self.world.physics, self.world.commands, interval_s=self.world.reading_s,
            begins_s=-WARM_S, solver=timed, dice=self.random,
        )  # fmt: skip
        return self._result(model.run(self._readings(), len(self.budget_w)).since(0))

    def _readings(self) -> list[Reading]:
        age_s = self.world.reading_age_s
        return [
            Reading(float(t), float(self.budget_w[max(0, int(t - age_s))]) / self.margin / 1000.0, age_s)
            for t in range(-WARM_S, len(self.budget_w), self.world.reading_s)
        ]

    def _result(self, run: Run) -> Result:
        draws, hashes = np.array(run.drawn_w), np.array(run.hashed_ths)
        # SPEC 6: miners are stopped only where even the lowest presets exceed what is available, not the target.
        floor_w, available_w = self.fleet.floor_w, self.budget_w / self.margin
        allowed_w = np.where(floor_w <= available_w, np.maximum(self.budget_w, floor_w), self.budget_w)
        band_w = np.maximum(self.settings.tolerance_w, self.settings.cut_above_percent / 100.0 * self.budget_w)
        over = draws - allowed_w - band_w
        world, length = self.world, len(self.budget_w)
        seconds = np.arange(length)
        held_at = ((seconds - world.commands.latency_s) // world.reading_s) * world.reading_s - world.reading_age_s
        held = allowed_w[np.clip(held_at, 0, length - 1).astype(int)]
        above = np.flatnonzero(over > 0)
        reached_s = 0
        if len(above):
            within = np.flatnonzero(over[above[0] :] <= 0)
            reached_s = int(within[0]) if len(within) else length - int(above[0])
        kwh = 3.6e6
        return Result(
            share=100.0 * hashes.sum() / Clairvoyant(self.fleet).ths(allowed_w).sum(),
            share_off=100.0 * hashes.sum() / Clairvoyant(self.fleet, anywhere=True).ths(allowed_w).sum(),
            overload_kwh=np.maximum(over, 0.0).sum() / kwh,
            over_available_kwh=np.maximum(draws - available_w, 0.0).sum() / kwh,
            unavoidable_kwh=np.maximum(np.minimum(held, self.fleet.max_w) - allowed_w - band_w, 0.0).sum() / kwh,
            reached_s=reached_s,
            changes=run.changes / self.fleet.size / (length / 86_400.0),
            decision_ms=float(np.median(self._took_ms)) if self._took_ms else 0.0,
            reasons=[f"{cycle.at_s:.0f}: {cycle.reason}" for cycle in run.cycles],
        )


def miner_view(alias: str, number: int, power_factor: float, hashrate_factor: float) -> MinerView:
    """Return a managed miner that mines on its highest preset; the factors are what the program believes."""
    ladder = LADDERS[alias]
    top = ladder.presets[-1]
    return MinerView(
        id=number, mac=f"{number:012x}", ladder=ladder, model_alias=alias, managed=True,
        max_preset=top.name, max_preset_w=top.firmware_power_w, state=MinerState.MINING,
        running_preset=top.name, saved_preset=top.name,
        power_factor=round(power_factor, 3), hashrate_factor=round(hashrate_factor, 3),
    )  # fmt: skip
