"""Plant, meters and time around the model program: run whole timelines in steps of 5 s and watch every one.

The plant gives `generation_kw`; what is drawn beyond it is an overload, and its duration is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.core.readings import Stamp
from app.core.types import Plan, PlantView
from tests.core.builders import LADDERS, T0
from tests.core.model_miner import ModelMiner
from tests.core.model_program import ModelProgram

TICK_S = 5
READING_S = 15
READING_AGE_S = 5.0  # one tick: a reading shows what was so then
SLACK_KW = 0.5


def machines(count: int, alias: str = "s19jpro", runs: str = "2300", first: int = 1, **facts: Any) -> list[ModelMiner]:
    """Return `count` miners that have long been mining on preset `runs`."""
    ids = range(first, first + count)
    return [ModelMiner(id_, alias, LADDERS[alias], runs, runs, **facts) for id_ in ids]


class Farm:
    """A plant, its meters, the miners and PowerHive. kW for the plant; `t`: true seconds since the beginning."""

    def __init__(
        self,
        miners: list[ModelMiner],
        generation_kw: float,
        *,
        meter: bool = False,
        foreign_kw: float = 0.0,
        overhead_kw: float = 0.0,
        noise: bool = True,
        **values: Any,
    ) -> None:
        self.miners = {m.id: m for m in miners}
        self.program = ModelProgram(miners, **values)
        self.generation_kw, self.foreign_kw, self.overhead_kw = generation_kw, foreign_kw, overhead_kw
        self.meter, self.meter_ok, self.plant_up, self.noise = meter, True, True, noise
        self.t, self.wall_ahead_s = 0, 0.0
        self._booted_t, self._boots = -1000, 0
        self.river: Callable[[int], float] | None = None
        self.overload_s, self.longest_overload_s = 0, 0
        self.draws: list[float] = []
        self._reading: PlantView | None = None
        self._measured_t = 0.0
        self._seen: list[tuple[float, float, float]] = []  # generation, foreign, miners' meter at each tick
        self._last_meter_kw = 0.0
        self._over = 0
        self._still_since = 0.0

    # --- what is so ---

    @property
    def now(self) -> Stamp:
        utc = T0 + timedelta(seconds=self.t + self.wall_ahead_s)
        return Stamp(utc, float(self.t - self._booted_t), f"boot {self._boots}")

    @property
    def draw_kw(self) -> float:
        """What all miners really draw, with fans and losses."""
        return sum(m.draw_w(self.t) for m in self.miners.values()) / 1000.0 + self.overhead_kw

    @property
    def last(self) -> Plan:
        return self.program.plans[-1]

    # --- time ---

    def run(self, seconds: float) -> Farm:
        """Let time pass; every tick the plant, the meters, the poller and the balancer do their part."""
        for _ in range(int(seconds / TICK_S)):
            self.t += TICK_S
            if self.river is not None:
                self.generation_kw = self.river(self.t)
            draw_kw = self.draw_kw
            self.draws.append(draw_kw)
            over = draw_kw + self.foreign_kw > self.generation_kw + SLACK_KW
            self.overload_s = self.overload_s + TICK_S if over else 0
            self.longest_overload_s = max(self.longest_overload_s, self.overload_s)
            if self.t % READING_S == 10:
                self.program.poll(self.now, self.t)
            if self.t % READING_S == 0:
                if self.plant_up:
                    self._measure()
                self.program.cycle(self.now, self.t, self._view())
            self._seen.append((self.generation_kw, self.foreign_kw, self.draw_kw))
        assert self.program.broken == []
        return self

    def settle(self, seconds: float = 900) -> Farm:
        """Run, then forget the overloads so far: what a timeline begins with."""
        if self.program.started is None:
            self.program.restart(self.now)
        self.run(seconds)
        self.overload_s = self.longest_overload_s = 0
        return self

    def restart_powerhive(self, down_s: float = 30) -> Farm:
        self.program.die()
        self.run(down_s)
        self.program.restart(self.now)
        return self

    def reboot(self) -> None:
        self._booted_t, self._boots = self.t - 20, self._boots + 1

    # --- the plant's side ---

    def _measure(self) -> None:
        generation_kw, foreign_kw, miners_kw = self._seen[-1]
        jitter_kw = 0.001 * (self.t // READING_S % 7) if self.noise else 0.0
        if self.meter and self.meter_ok:
            self._last_meter_kw = miners_kw
        meter_kw = self._last_meter_kw if self.meter else None
        container_kw = foreign_kw + (meter_kw or 0.0)
        values = (generation_kw - jitter_kw, foreign_kw, container_kw)
        before = self._reading
        if before is None or values != (before.generation_kw, before.foreign_kw, before.container_kw):
            self._still_since = self.t
        measured_over = foreign_kw + (miners_kw if self.meter and self.meter_ok else 0.0) > generation_kw
        self._over = self._over + 1 if measured_over else 0
        self._measured_t = self.t - READING_AGE_S
        self._reading = PlantView(
            reading_id=self.t,
            recorded_at=T0 + timedelta(seconds=self._measured_t),
            generation_kw=values[0],
            container_kw=container_kw,
            foreign_kw=foreign_kw,
            miners_meter_kw=meter_kw,
            miners_meter_ok=self.meter_ok,
            frozen_s=self.t - self._still_since,
            over_generation_twice=self._over >= 2,
        )

    def _view(self) -> PlantView | None:
        return None if self._reading is None else replace(self._reading, age_s=self.t - self._measured_t)
