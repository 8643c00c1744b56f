"""What a long test did to the farm and saw of it, with real times: what the audit holds PowerHive's deeds against."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Generic, TypeVar

from simulator import SimMiner, Simulator
from simulator.physics import STOPPED_W

Value = TypeVar("Value")
SAMPLE_EVERY_S = 0.5


@dataclass
class Timeline(Generic[Value]):
    """A value over time. A new one came into force at an unknown moment between `before` and `after`."""

    marks: list[tuple[float, float, Value]]

    @staticmethod
    def of(value: Value) -> Timeline[Value]:
        return Timeline([(float("-inf"), float("-inf"), value)])

    @contextmanager
    def becoming(self, value: Value) -> Iterator[None]:
        """The block brings `value` into force."""
        before = time.monotonic()
        yield
        self.marks.append((before, time.monotonic(), value))

    @property
    def now(self) -> Value:
        return self.marks[-1][2]

    def possible(self, first_s: float, last_s: float) -> list[Value]:
        """Every value that may have been in force at some moment of that span."""
        ends = [after for _, after, _ in self.marks[1:]] + [float("inf")]
        return [
            value
            for (before, _, value), end in zip(self.marks, ends, strict=True)
            if before <= last_s and end >= first_s
        ]


@dataclass
class Journal:
    """`max_w`: model alias -> firmware watts of its max preset. Times are monotonic seconds."""

    mode: Timeline[str]
    override: Timeline[str]
    max_w: dict[str, Timeline[int | None]]
    managed: dict[str, Timeline[bool]]
    held: dict[str, Timeline[bool]]
    orders: list[tuple[float, str, str]] = field(default_factory=list)  # a preset by hand: when, MAC, preset
    technician_stops: dict[str, list[list[float]]] = field(default_factory=dict)  # MAC -> [from, until]
    babble: dict[str, list[list[float]]] = field(default_factory=dict)  # MAC -> spans of a 200 with a body of nonsense
    untrustworthy: list[tuple[float, float, str]] = field(default_factory=list)  # spans in which no answer may count
    acted: list[list[float]] = field(default_factory=list)  # from, until of each acting process
    events: list[tuple[float, str]] = field(default_factory=list)
    faults_ended_s: float = 0.0

    def note(self, what: str) -> None:
        self.events.append((time.monotonic(), what))


@dataclass(frozen=True)
class Total:
    """kW at one moment. `sheddable_kw`: what PowerHive could take away by stopping every miner it may touch."""

    at_s: float
    given_kw: float
    demanded_kw: float
    drawn_kw: float
    sheddable_kw: float


@dataclass
class Samples:
    """What the simulator knows to be true, twice a second: a thread of its own until `stop`."""

    simulator: Simulator
    journal: Journal
    totals: list[Total] = field(default_factory=list)
    miners: dict[str, list[tuple[float, str, str]]] = field(default_factory=dict)  # MAC -> time, running preset, state
    power_w: dict[str, float] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._watch, name="samples", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(10)

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_EVERY_S):
            self.take()

    def take(self) -> None:
        now = time.monotonic()
        plant = self.simulator.plant
        for miner in self.simulator.miners:
            seen = (miner.running_preset, miner.state)
            known = self.miners.setdefault(miner.mac, [])
            if not known or known[-1][1:] != seen:
                known.append((now, *seen))
            self.power_w[miner.mac] = miner.wall_power_w
        drawn_kw = self.simulator.farm.draw_w() / 1000
        metered = any(container.has_miners for container in (plant.spec.containers or {}).values())
        demanded_kw = sum(plant.true_consumption_kw().values()) + (0.0 if metered else drawn_kw)
        sheddable_kw = sum(max(0.0, miner.wall_power_w - STOPPED_W) for miner in self._touchable()) / 1000
        self.totals.append(Total(now, plant.true_generation_kw(), demanded_kw, drawn_kw, sheddable_kw))

    def _touchable(self) -> list[SimMiner]:
        journal = self.journal
        if journal.mode.now != "armed" and journal.override.now == "none":
            return []
        return [
            miner
            for miner in self.simulator.miners
            if journal.managed[miner.mac].now
            and not journal.held[miner.mac].now
            and journal.max_w[miner.model.alias].now is not None
        ]

    def running_between(self, mac: str, first_s: float, last_s: float) -> list[tuple[str, str]]:
        """(running preset, state) of every moment of that span, as far as it was sampled."""
        known = self.miners[mac]
        times = [at for at, _, _ in known]
        begin = max(0, bisect_right(times, first_s) - 1)
        return [(preset, state) for _, preset, state in known[begin : max(begin + 1, bisect_left(times, last_s))]]

    def overload(self, first_s: float = 0.0) -> dict[str, Any]:
        """How long and by how much the farm and all other load asked for more than the plant gave.

        `sheddable_*`: the part of it that stopping every miner PowerHive may touch would have avoided.
        """
        seconds = energy_kws = worst_kw = sheddable_s = sheddable_kws = 0.0
        for now, later in pairwise(self.totals):
            over_kw, lasted_s = now.demanded_kw - now.given_kw, later.at_s - now.at_s
            if now.at_s < first_s or over_kw <= 0:
                continue
            seconds += lasted_s
            energy_kws += over_kw * lasted_s
            worst_kw = max(worst_kw, over_kw)
            avoidable_kw = min(over_kw, now.sheddable_kw)
            sheddable_s += lasted_s if avoidable_kw > 0.1 else 0.0
            sheddable_kws += avoidable_kw * lasted_s
        return {
            "seconds": round(seconds, 1), "kwh": round(energy_kws / 3600, 3), "worst_kw": round(worst_kw, 1),
            "sheddable_seconds": round(sheddable_s, 1), "sheddable_kwh": round(sheddable_kws / 3600, 3),
        }  # fmt: skip
