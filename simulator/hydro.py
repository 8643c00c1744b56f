"""A hydro plant's day as a pure function of time: slow drift, steps and a script that can override both."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

FIRST_STEP_S = 35.0
STEP_EVERY_S = 240.0
STEP_TAKES_S = 4.0


@dataclass(frozen=True, slots=True)
class HydroDay:
    """Generation around ``mean_kw``. The first step comes after 35 simulated seconds, downwards; the mean stays."""

    mean_kw: float
    seed: int = 1
    drift_share: float = 0.05
    step_share: float = 0.07
    noise_share: float = 0.002

    def generation_kw(self, now_s: float) -> float:
        """Generation in kW at ``now_s`` simulated seconds, without the meters' noise."""
        phases = random.Random(f"{self.seed}/drift")
        slow, slower, daily = (phases.random() * math.tau for _ in range(3))
        drift = 0.6 * math.sin(now_s * math.tau / 5_400 + slow) + 0.4 * math.sin(now_s * math.tau / 1_500 + slower)
        day = 0.8 * math.sin(now_s * math.tau / 86_400 + daily)
        return max(0.0, self.mean_kw * (1 + self.drift_share * (drift + day) + self._step(now_s)))

    def noise(self, collection: int, source: str) -> float:
        """A meter's factor at one collection, near 1."""
        return 1.0 + random.Random(f"{self.seed}/noise/{source}/{collection}").gauss(0.0, self.noise_share)

    def _step(self, now_s: float) -> float:
        if now_s < FIRST_STEP_S:
            return self._level(0)
        slot, into_s = divmod(now_s - FIRST_STEP_S, STEP_EVERY_S)
        number = int(slot) + 1
        share = min(1.0, into_s / STEP_TAKES_S)
        before = self._level(number - 1)
        return before + (self._level(number) - before) * share

    def _level(self, number: int) -> float:
        if number == 0:
            return 0.0
        size = random.Random(f"{self.seed}/step/{number}").uniform(0.6, 1.0) * self.step_share
        return -size if number % 2 else size


@dataclass(slots=True)
class Script:
    """What tests and benches force: a constant in kW, a list of (real second, kW), a factor on top of either."""

    constant_kw: float | None = None
    steps: tuple[tuple[float, float], ...] = ()
    started_s: float = 0.0
    factor: float = 1.0

    @property
    def is_forced(self) -> bool:
        """Whether the day is overridden; a forced value is exact, without noise."""
        return self.constant_kw is not None or bool(self.steps)

    def generation_kw(self, day_kw: float, real_s: float) -> float:
        """The generation in kW that the script makes of the day's."""
        value_kw = day_kw if self.constant_kw is None else self.constant_kw
        for after_s, step_kw in self.steps:
            if real_s - self.started_s >= after_s:
                value_kw = step_kw
        return value_kw * self.factor
