"""The miners of a model farm as hardware: what they draw and hash while they restart and ramp. True W and TH/s.

Each miner is a straight line over time that bends three times per change: a restart near zero, a ramp, steady again.
The farm is the sum of these lines, so time costs nothing and a bend costs the same in a farm of fifty as of 20,000.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from app.core.power import STOPPED_W
from app.core.readings import MinerState


@dataclass(frozen=True, slots=True)
class Physics:
    """What a preset change costs: `restart_s` at the share `idle` of the new power without hashrate, then `ramp_s` up.

    A change without restart: `Physics(restart_s=0, ramp_s=0)`.
    """

    restart_s: float = 40.0
    ramp_s: float = 60.0
    idle: float = 0.08


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a miner really does on one preset; `preset` None: it is stopped."""

    preset: str | None
    power_w: float
    hashrate_ths: float


STOPPED = OperatingPoint(None, STOPPED_W, 0.0)


@dataclass(frozen=True, slots=True)
class Polled:
    """What one miner shows now. `steady`: it neither restarts nor ramps, and no command is on its way to it."""

    state: MinerState
    preset: str | None
    power_w: float
    hashrate_ths: float
    steady: bool


@dataclass(slots=True)
class _Machine:
    """One miner: its line from `since_s` on (W, W/s, TH/s, TH/s per s), and how many commands are on their way."""

    point: OperatingPoint
    physics: Physics
    since_s: float
    power_w: float
    power_w_per_s: float
    ths: float
    ths_per_s: float
    version: int = 0
    restarting: bool = False
    ramping: bool = False
    awaited: int = 0


_BEGIN, _RAMP, _STEADY = 0, 1, 2


class Hardware:
    """All miners of the farm. `drawn_w`, `hashed_ths`: what they draw and hash together at `now_s`."""

    def __init__(self, miners: Iterable[tuple[OperatingPoint, Physics]], now_s: float) -> None:
        self._machines = [
            _Machine(point, physics, now_s, point.power_w, 0.0, point.hashrate_ths, 0.0) for point, physics in miners
        ]
        self.now_s = now_s
        self.drawn_w = sum(m.power_w for m in self._machines)
        self.hashed_ths = sum(m.ths for m in self._machines)
        self._power_w_per_s = self._ths_per_s = 0.0
        self._bends: list[tuple[float, int, int, int, int]] = []  # second, order, miner, version, which
        self._commands: dict[int, OperatingPoint] = {}  # by order
        self._order = 0

    def command(self, miner: int, point: OperatingPoint, at_s: float) -> None:
        """Let a command reach the miner at `at_s` (now or later): it restarts into `point`, or stops."""
        self._commands[self._order] = point
        self._machines[miner].awaited += 1
        self._at(at_s, miner, 0, _BEGIN)

    def advance(self, to_s: float) -> None:
        """Let time pass."""
        while self._bends and self._bends[0][0] <= to_s:
            at_s, order, miner, version, which = heapq.heappop(self._bends)
            if which == _BEGIN:
                self._pass(at_s)
                self._begin(miner, self._commands.pop(order))
            elif version == self._machines[miner].version:  # else a later change took its place
                self._pass(at_s)
                self._go_on(miner, which)
        self._pass(to_s)

    def poll(self, miner: int) -> Polled:
        """Return what the miner shows at `now_s`."""
        machine = self._machines[miner]
        state = MinerState.RESTARTING if machine.restarting else MinerState.MINING
        if machine.point.preset is None:
            state = MinerState.STOPPED
        passed_s = self.now_s - machine.since_s
        return Polled(
            state,
            machine.point.preset,
            machine.power_w + machine.power_w_per_s * passed_s,
            machine.ths + machine.ths_per_s * passed_s,
            steady=not (machine.restarting or machine.ramping or machine.awaited),
        )

    def _at(self, at_s: float, miner: int, version: int, which: int) -> None:
        heapq.heappush(self._bends, (at_s, self._order, miner, version, which))
        self._order += 1

    def _pass(self, to_s: float) -> None:
        passed_s = to_s - self.now_s
        self.drawn_w += self._power_w_per_s * passed_s
        self.hashed_ths += self._ths_per_s * passed_s
        self.now_s = to_s

    def _begin(self, miner: int, point: OperatingPoint) -> None:
        machine = self._machines[miner]
        machine.point = point
        machine.version += 1
        machine.awaited -= 1
        machine.ramping = False
        machine.restarting = point.preset is not None
        if not machine.restarting:
            self._bend(machine, point.power_w, 0.0, 0.0, 0.0)
            return
        physics = machine.physics
        self._bend(machine, point.power_w * physics.idle, 0.0, 0.0, 0.0)
        if physics.restart_s > 0:
            self._at(self.now_s + physics.restart_s, miner, machine.version, _RAMP)
        else:
            self._go_on(miner, _RAMP)

    def _go_on(self, miner: int, which: int) -> None:
        machine = self._machines[miner]
        point, physics = machine.point, machine.physics
        machine.restarting = False
        machine.ramping = which == _RAMP and physics.ramp_s > 0
        if machine.ramping:
            power_w = point.power_w * physics.idle
            climb_w_per_s = (point.power_w - power_w) / physics.ramp_s
            self._bend(machine, power_w, climb_w_per_s, 0.0, point.hashrate_ths / physics.ramp_s)
            self._at(self.now_s + physics.ramp_s, miner, machine.version, _STEADY)
        else:
            self._bend(machine, point.power_w, 0.0, point.hashrate_ths, 0.0)

    def _bend(self, machine: _Machine, power_w: float, power_w_per_s: float, ths: float, ths_per_s: float) -> None:
        """Let the miner's line go on from here; the farm's follows."""
        passed_s = self.now_s - machine.since_s
        self.drawn_w += power_w - (machine.power_w + machine.power_w_per_s * passed_s)
        self.hashed_ths += ths - (machine.ths + machine.ths_per_s * passed_s)
        self._power_w_per_s += power_w_per_s - machine.power_w_per_s
        self._ths_per_s += ths_per_s - machine.ths_per_s
        machine.since_s = self.now_s
        machine.power_w, machine.power_w_per_s = power_w, power_w_per_s
        machine.ths, machine.ths_per_s = ths, ths_per_s
