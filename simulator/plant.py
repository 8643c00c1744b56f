"""The simulated hydro plant: two generators, metered containers, an aggregator that collects every few seconds.

Values are kW inside; the answer carries MW or kW under the same ``_mw`` names (plant/README.md, "Units").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import RLock
from typing import Any, Literal

from simulator.clock import Clock
from simulator.faults import PLANT_FAULTS, Fault, FaultSet, FaultValue
from simulator.hydro import HydroDay, Script

PLANT_KEY = "simulated-plant-key-0000"  # not a secret: it opens the simulator only
PLANT_ID = "sim-plant"

Unit = Literal["MW", "kW"]
FailedValue = Literal["last", "zero", "omit"]


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One consumption meter: whether it contains the miners of its name, and other load behind it in kW."""

    has_miners: bool = False
    other_kw: float = 0.0


@dataclass(frozen=True, slots=True)
class PlantSpec:
    """The plant. ``mean_generation_kw`` None sizes it to the farm; ``overhead_share`` is fans and losses that a
    meter with miners sees above their wall power; ``collection_interval_s`` is in real seconds."""

    key: str = PLANT_KEY
    plant_id: str = PLANT_ID
    unit: Unit = "MW"
    mean_generation_kw: float | None = None
    generators: Mapping[str, float] = field(default_factory=lambda: {"turbine_north": 0.52, "turbine_south": 0.48})
    containers: Mapping[str, ContainerSpec] | None = None
    overhead_share: float = 0.03
    collection_interval_s: float = 8.0
    resolution_kw: float = 0.1
    drift_share: float = 0.05
    step_share: float = 0.07
    noise_share: float = 0.002
    constant_kw: float | None = None


@dataclass(frozen=True, slots=True)
class SourceReading:
    """One source in one collection: kW, and ``success`` or an error word."""

    value_kw: float
    status: str = "success"


@dataclass(frozen=True, slots=True)
class Collection:
    """What the aggregator knows since ``at``."""

    number: int
    at: datetime
    generation: Mapping[str, SourceReading]
    consumption: Mapping[str, SourceReading]

    @property
    def generation_kw(self) -> float:
        """Sum over the generators that answered."""
        return sum(source.value_kw for source in self.generation.values() if source.status == "success")

    @property
    def consumption_kw(self) -> float:
        """Sum over the consumption meters that answered."""
        return sum(source.value_kw for source in self.consumption.values() if source.status == "success")


@dataclass(frozen=True, slots=True)
class _FailedSource:
    status: str
    value: FailedValue
    last_kw: float


class SimPlant:
    """The plant to inspect and to disturb. Thread-safe. Changes are collected at once, so that tests need not wait."""

    def __init__(
        self, spec: PlantSpec, *, mean_kw: float, seed: int, clock: Clock, draw_w: Callable[[str], float]
    ) -> None:
        self.spec = spec
        self.clock = clock
        self.lock = RLock()
        self.faults = FaultSet(PLANT_FAULTS)
        self.unit: Unit = spec.unit
        self.requests = 0
        self._day = HydroDay(mean_kw, seed, spec.drift_share, spec.step_share, spec.noise_share)
        self._script = Script(constant_kw=spec.constant_kw)
        self._draw_w = draw_w
        self._containers = dict(spec.containers or {})
        self._failed: dict[str, _FailedSource] = {}
        self._number = 48_000
        self.latest = self._collect()
        self.held = self.latest

    # -- what it gives ---------------------------------------------------------------------------------------

    @property
    def mean_generation_kw(self) -> float:
        """What the day swings around, kW."""
        return self._day.mean_kw

    def true_generation_kw(self) -> float:
        """What the turbines really give now, kW, whatever the API says."""
        with self.lock:
            return self._script.generation_kw(self._day.generation_kw(self.clock.now_s()), self.clock.real_s())

    def true_consumption_kw(self) -> dict[str, float]:
        """What each container really draws now, kW."""
        with self.lock:
            return {name: self._container_kw(name, container) for name, container in self._containers.items()}

    def collect(self) -> Collection:
        """Collect from every source now."""
        with self.lock:
            self.latest = self._collect()
            return self.latest

    # -- what is done to it ----------------------------------------------------------------------------------

    def set_generation_kw(self, kw: float) -> None:
        """Force a constant total generation, kW."""
        with self.lock:
            self._script.constant_kw, self._script.steps = kw, ()
            self._script.factor = 1.0
            self.collect()

    def set_generation_steps(self, steps: list[tuple[float, float]]) -> None:
        """Force a list of (seconds from now, kW); before the first one the present value stays."""
        with self.lock:
            present_kw = self.true_generation_kw()
            self._script = Script(present_kw, tuple(sorted(steps)), self.clock.real_s())
            self.collect()

    def multiply_generation(self, factor: float) -> None:
        """Multiply what the day or the script gives."""
        with self.lock:
            self._script.factor = factor
            self.collect()

    def resume_day(self) -> None:
        """Drop every script: the day is back."""
        with self.lock:
            self._script = Script()
            self.collect()

    def set_container_kw(self, name: str, kw: float, *, has_miners: bool | None = None) -> None:
        """Set the other load behind a meter, kW; a new name is a new meter."""
        with self.lock:
            old = self._containers.get(name, ContainerSpec())
            self._containers[name] = ContainerSpec(old.has_miners if has_miners is None else has_miners, kw)
            self.collect()

    def remove_container(self, name: str) -> None:
        """Take a meter away."""
        with self.lock:
            self._containers.pop(name, None)
            self.collect()

    def fail_source(self, name: str, status: str = "timeout", value: FailedValue = "last") -> None:
        """Let one source fail: it carries its last value, zero, or is left out."""
        with self.lock:
            known = {**self.latest.generation, **self.latest.consumption}
            if name not in known:
                raise ValueError(f"unknown source {name!r}; there are: {', '.join(sorted(known))}")
            if value not in ("last", "zero", "omit"):
                raise ValueError(f"value must be last, zero or omit, not {value!r}")
            self._failed[name] = _FailedSource(status, value, known[name].value_kw)
            self.collect()

    def restore_source(self, name: str | None = None) -> None:
        """Let one failed source, or all, answer again."""
        with self.lock:
            if name is None:
                self._failed.clear()
            else:
                self._failed.pop(name, None)
            self.collect()

    def set_fault(self, name: str, **args: FaultValue) -> Fault:
        """Switch a fault of the API on. Several can be on at once."""
        with self.lock:
            fault = self.faults.set(name, args)
            if name.startswith("frozen_"):
                self.held = self.latest
            return fault

    def clear_faults(self, name: str | None = None) -> None:
        """Switch one fault or all off; failed sources and scripts stay."""
        with self.lock:
            self.faults.clear(name)
            self.collect()

    def set_unit(self, unit: Unit) -> None:
        """Answer in MW or kW from now on, under the same names."""
        if unit not in ("MW", "kW"):
            raise ValueError(f"unit must be MW or kW, not {unit!r}")
        with self.lock:
            self.unit = unit

    def state(self) -> dict[str, Any]:
        """For the control API: the truth and what the API shows."""
        with self.lock:
            return {
                "generation_kw": round(self.true_generation_kw(), 3),
                "mean_generation_kw": round(self.mean_generation_kw, 3),
                "containers_kw": {name: round(kw, 3) for name, kw in self.true_consumption_kw().items()},
                "collected_generation_kw": round(self.latest.generation_kw, 3),
                "collected_consumption_kw": round(self.latest.consumption_kw, 3),
                "collected_at": stamp(self.latest.at),
                "unit": self.unit,
                "faults": self.faults.names(),
                "failed_sources": sorted(self._failed),
                "requests": self.requests,
            }

    # -- inside ----------------------------------------------------------------------------------------------

    def _collect(self) -> Collection:
        self._number += 1
        total_kw = self._script.generation_kw(self._day.generation_kw(self.clock.now_s()), self.clock.real_s())
        shares = sum(self.spec.generators.values())
        generation = {name: total_kw * share / shares for name, share in self.spec.generators.items()}
        consumption = {name: self._container_kw(name, container) for name, container in self._containers.items()}
        return Collection(
            self._number,
            self.clock.utc(),
            self._read(generation, noisy=not self._script.is_forced),
            self._read(consumption, noisy=not self._script.is_forced),
        )

    def _read(self, values_kw: Mapping[str, float], *, noisy: bool) -> dict[str, SourceReading]:
        readings = {}
        for name, value_kw in values_kw.items():
            failed = self._failed.get(name)
            if failed is not None:
                if failed.value != "omit":
                    readings[name] = SourceReading(failed.last_kw if failed.value == "last" else 0.0, failed.status)
                continue
            measured_kw = value_kw * self._day.noise(self._number, name) if noisy else value_kw
            steps = round(measured_kw / self.spec.resolution_kw)
            readings[name] = SourceReading(round(steps * self.spec.resolution_kw, 6))
        return readings

    def _container_kw(self, name: str, container: ContainerSpec) -> float:
        miners_kw = self._draw_w(name) / 1000 * (1 + self.spec.overhead_share) if container.has_miners else 0.0
        return container.other_kw + miners_kw


def stamp(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds and a Z."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
