"""A model farm under the real `plan`: readings that age, polls, commands one after the other, miners that restart.

The benchmark and `flask replay` run it. It stands for the program around the plan (`app.jobs`) and for the miners
(`farm_hardware`), without database, network or clock: seconds count from any zero. kW for the plant, W for miners.
"""

from __future__ import annotations

import math
import random
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from app.core import following, power, river
from app.core.farm_hardware import STOPPED, Hardware, OperatingPoint, Physics, Polled
from app.core.plan import plan
from app.core.readings import MinerState, Stamp
from app.core.types import (
    ChangeKind,
    ChangeView,
    CycleMemory,
    MinerView,
    Outcome,
    Plan,
    PlantView,
    PresetChange,
    Settings,
    Snapshot,
)

T0 = datetime(2026, 1, 1, tzinfo=UTC)
LONG_UP_S = 1e6  # the program has been up for long when the model begins
LOOKS = 6  # at the farm in one cycle, while cuts fail
ROUNDING_W = 1.0
RECENT_READINGS = 200  # kept at least: settings that come into force later may look further back
FORGOTTEN_AFTER_S = 120.0  # a change read back so long ago means nothing to the rules any more
KWH_WS = 3.6e6
SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What the plant could give (kW), as the program has it at `at_s`: it was so `age_s` before."""

    at_s: float
    available_kw: float
    age_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Commands:
    """How commands go out: the first arrives after `latency_s`, then `per_s` of them each second; a share `fails`.

    What cannot leave within `window_s` of its cycle is not sent: the next cycle plans anew.
    """

    latency_s: float = 1.0
    per_s: float = 50.0
    fails: float = 0.0
    window_s: float = 12.0


@dataclass(frozen=True, slots=True)
class ModelMiner:
    """A miner as the program sees it at the beginning, and what is true of it.

    `power_factor`, `hashrate_factor`: what it really draws and hashes over its firmware's labels; None: what the
    program expects of it. `deaf`: it accepts commands and does not apply them. `physics` None: the farm's.
    """

    view: MinerView
    power_factor: float | None = None
    hashrate_factor: float | None = None
    deaf: bool = False
    physics: Physics | None = None


@dataclass(frozen=True, slots=True)
class ModelCycle:
    """One cycle of the model. `accounted_w` before it, `planned_w` after the changes that were accepted (`sent`)."""

    at_s: float
    available_kw: float
    target_w: float
    accounted_w: float
    planned_w: float
    emergency: bool
    sent: int
    failed: int
    reason: str


@dataclass(slots=True)
class Run:
    """What a run gave: each whole second from `begins_s` on, and each cycle."""

    begins_s: int
    drawn_w: array[float] = field(default_factory=lambda: array("d"))
    hashed_ths: array[float] = field(default_factory=lambda: array("d"))
    cycles: list[ModelCycle] = field(default_factory=list)

    def since(self, at_s: int) -> Run:
        """Return the part from `at_s` on: what came before was the warm-up."""
        first = at_s - self.begins_s
        cycles = [cycle for cycle in self.cycles if cycle.at_s >= at_s]
        return Run(at_s, self.drawn_w[first:], self.hashed_ths[first:], cycles)

    @property
    def changes(self) -> int:
        return sum(cycle.sent for cycle in self.cycles)

    @property
    def energy_kwh(self) -> float:
        return sum(self.drawn_w) / KWH_WS

    @property
    def th_hours(self) -> float:
        return sum(self.hashed_ths) / SECONDS_PER_HOUR

    def overload_kwh(self, allowed_w: Sequence[float]) -> float:
        """Return the energy drawn above what was allowed in each second (W, from `begins_s` on)."""
        over = (max(0.0, drawn - allowed) for drawn, allowed in zip(self.drawn_w, allowed_w, strict=True))
        return sum(over) / KWH_WS


def each_second(readings: Iterable[Reading], begins_s: int, ends_s: int) -> array[float]:
    """Return the available power (kW) in each second: a reading's value holds until the next one was measured."""
    values: array[float] = array("d")
    held_kw: float | None = None
    for reading in readings:
        until = min(ends_s, math.ceil(reading.at_s - reading.age_s))
        held = reading.available_kw if held_kw is None else held_kw
        values.extend([held] * max(0, until - begins_s - len(values)))
        held_kw = reading.available_kw
    values.extend([held_kw or 0.0] * (ends_s - begins_s - len(values)))
    return values


class Dice(Protocol):
    """`random.Random`, or what else gives numbers from 0 to 1."""

    def random(self) -> float: ...


Solver = Callable[[Snapshot], Plan]
Learner = Callable[[float, Sequence[MinerView]], Mapping[int, MinerView]]
"""Given the second and what was polled, returns the views that changed, by their place in the sequence: facts learned
between two cycles. It is told measured power and hashrate in the views."""


class FarmModel:
    """One farm under one policy.

    `interval_s`: the balance interval, where readings do not come faster; `reading_interval_s`: how often the program
    reads the plant.
    """

    def __init__(
        self,
        miners: Sequence[ModelMiner],
        settings: Settings,
        physics: Physics | None = None,
        commands: Commands | None = None,
        *,
        interval_s: float = 15.0,
        reading_interval_s: float = 15.0,
        begins_s: int = 0,
        solver: Solver = plan,
        learn: Learner | None = None,
        dice: Dice | None = None,
    ) -> None:
        self._miners = miners
        self._settings = settings
        self._commands = commands or Commands()
        self._interval_s = interval_s
        self._reading_interval_s = reading_interval_s
        self._solver, self._learn = solver, learn
        self._dice = dice or random.Random(1)  # noqa: S311 - a model's bad luck
        self._place = {miner.view.id: place for place, miner in enumerate(miners)}
        self._points: list[dict[str | None, OperatingPoint]] = [{None: STOPPED} for _ in miners]
        self._views = [miner.view for miner in miners]
        standing = (MinerState.STOPPED, MinerState.SHUTTING_DOWN)
        start = [None if view.state in standing else view.running_preset for view in self._views]
        self._hardware = Hardware(
            [
                (self._point(place, preset), miners[place].physics or physics or Physics())
                for place, preset in enumerate(start)
            ],
            begins_s,
        )
        self._watched: dict[int, tuple[ChangeView, float]] = {}  # by place, with the second of the change's row
        self._superseded: dict[int, deque[tuple[ChangeView, float]]] = {}  # the changes before it, newest first
        self._never_left: set[int] = set()  # whose newest change was not sent for lack of time
        for place in range(len(miners)):
            self._views[place] = self._measured(place, self._hardware.poll(place))
        self._memory = CycleMemory()
        wanted = max(RECENT_READINGS, river.readings_needed(settings, reading_interval_s))
        self._recent: deque[float] = deque(maxlen=wanted)  # of the readings before the newest
        self._read_s, self._newest_kw = -math.inf, 0.0
        self._raised: deque[tuple[float, float]] = deque()
        self._run = Run(begins_s)

    def run(self, readings: Iterable[Reading], ends_s: int) -> Run:
        """Let the farm follow the readings until `ends_s`; to be called once."""
        for at_s, reading, is_new in self._moments(readings, ends_s):
            self._record(at_s)
            self._hardware.advance(at_s)
            self._cycle(at_s, reading, is_new=is_new)
        self._record(ends_s)
        return self._run

    def _moments(self, readings: Iterable[Reading], ends_s: int) -> Iterator[tuple[float, Reading, bool]]:
        """When cycles run: with each reading, and in a gap with the last one as it ages."""
        last: tuple[float, Reading] | None = None
        for reading in readings:
            if last is not None:
                yield from self._in_the_gap(last[0], last[1], min(reading.at_s, ends_s))
            if reading.at_s >= ends_s:
                return
            yield reading.at_s, reading, True
            last = (reading.at_s, reading)
        if last is not None:
            yield from self._in_the_gap(last[0], last[1], ends_s)

    def _in_the_gap(self, at_s: float, reading: Reading, until_s: float) -> Iterator[tuple[float, Reading, bool]]:
        while until_s - at_s > 1.5 * self._interval_s:
            at_s += self._interval_s
            yield at_s, reading, False

    def _record(self, until_s: float) -> None:
        """Note every whole second before `until_s`."""
        run, hardware = self._run, self._hardware
        for second in range(run.begins_s + len(run.drawn_w), math.ceil(until_s)):
            hardware.advance(second)
            run.drawn_w.append(hardware.drawn_w)
            run.hashed_ths.append(hardware.hashed_ths)

    def _point(self, place: int, preset: str | None) -> OperatingPoint:
        """Return what the miner really does on that preset."""
        known = self._points[place].get(preset)
        if known is None:
            miner = self._miners[place]
            found = miner.view.ladder.get(preset)
            if found is None:
                power_w, ths = miner.view.measured_power_w or 0.0, miner.view.measured_hashrate_ths or 0.0
            else:
                power_w = power.wall_w(miner.view, found, self._settings) or 0.0
                ths = power.preset_ths(miner.view, found)
                if miner.power_factor is not None:
                    power_w = (found.firmware_power_w or 0) * miner.power_factor
                if miner.hashrate_factor is not None:
                    ths = (found.hashrate_ths or 0.0) * miner.hashrate_factor
            known = self._points[place][preset] = OperatingPoint(preset, power_w, ths)
        return known

    # --- the program ---

    def _cycle(self, at_s: float, reading: Reading, *, is_new: bool) -> None:
        """Cut until it holds, as `app.jobs.balancer` does, then raise what still fits under the target."""
        self._poll(at_s)
        if is_new:
            self._recent.append(self._newest_kw)
            if reading.at_s - self._read_s > river.longest_gap_s(self._settings, self._reading_interval_s):
                self._recent.clear()
            self._read_s = reading.at_s
        picture = self._snapshot(at_s, reading, is_new=is_new)
        first = decided = self._solver(picture)
        self._memory, self._newest_kw = first.memory, first.available_kw
        round_ = _Round(at_s, self._commands)
        for _look in range(LOOKS):
            missed = {
                change.miner_id for change in decided.sendable if change.is_cut and not self._send(change, round_)
            }
            if not missed or round_.late:
                break
            views = [replace(view, failed_this_cycle=True) if view.id in missed else view for view in self._views]
            picture = replace(
                picture, miners=tuple(views), memory=self._memory, cuts_only=True,
                cut_last_interval_w=max(0.0, -round_.moved_w),
            )  # fmt: skip
            decided = self._solver(picture)
        room_w = first.target_w - first.current_w - round_.moved_w + ROUNDING_W
        for change in first.sendable:
            if not change.is_cut and change.delta_w <= room_w and not round_.late:
                room_w -= max(0.0, change.delta_w)
                self._send(change, round_)
        self._run.cycles.append(
            ModelCycle(
                at_s, first.available_kw, first.target_w, first.current_w, first.current_w + round_.moved_w,
                first.emergency, round_.sent, round_.failed, first.reason,
            )
        )  # fmt: skip

    def _snapshot(self, at_s: float, reading: Reading, *, is_new: bool) -> Snapshot:
        while self._raised and self._raised[0][0] < at_s - 60.0:
            self._raised.popleft()
        return Snapshot(
            now=Stamp(T0 + timedelta(seconds=at_s), LONG_UP_S + at_s, "model"),
            settings=self._settings,
            miners=tuple(self._views),
            plant=PlantView(
                reading_id=int(LONG_UP_S + reading.at_s),
                recorded_at=T0 + timedelta(seconds=reading.at_s - reading.age_s),
                generation_kw=reading.available_kw,
                container_kw=0.0,
                foreign_kw=0.0,
                age_s=reading.age_s + at_s - reading.at_s,
                is_new=is_new,
            ),
            memory=self._memory,
            uptime_s=LONG_UP_S,
            fresh_since_start=True,
            polled_since_start=True,
            raised_last_min_w=sum(watts for _, watts in self._raised),
            interval_s=self._interval_s,
            reading_interval_s=self._reading_interval_s,
            recent_available_kw=tuple(self._recent),
        )

    def _send(self, change: PresetChange, round_: _Round) -> bool:
        """Send one command; return whether the miner accepted it."""
        place = self._place[change.miner_id]
        left = not round_.late
        accepted = left and not (self._commands.fails > 0 and self._dice.random() < self._commands.fails)
        view, last = self._views[place], self._views[place].last_change
        known = ChangeView(
            kind=change.kind, old_preset=change.old_preset, new_preset=change.new_preset,
            old_power_w=change.old_power_w, new_power_w=change.new_power_w,
            outcome=Outcome.SENT if accepted else Outcome.FAILED, age_s=0.0, effective=accepted,
            attempt=following.attempt(change, last, last_left=place not in self._never_left),
            finished_age_s=None if accepted else 0.0,
        )  # fmt: skip
        self._note(place, known, round_.at_s, left=left)
        view = replace(view, last_change=known, cooldown_left_s=float(self._settings.cooldown_s))
        if accepted:
            view = replace(view, stopped_by_us=change.kind is ChangeKind.STOP)
            if change.delta_w > 0:
                self._raised.append((round_.at_s, change.delta_w))
            if not self._miners[place].deaf:
                self._hardware.command(place, self._point(place, change.new_preset), round_.arrives_s)
        self._views[place] = view
        round_.note(change, accepted=accepted, left=left)
        return accepted

    def _note(self, place: int, known: ChangeView, at_s: float, *, left: bool) -> None:
        """Let the miner's newest change take the place of the one before."""
        before = self._watched.get(place)
        if before is not None and before[0].outcome.on_its_way:
            superseded = replace(before[0], outcome=Outcome.SUPERSEDED)
            self._superseded.setdefault(place, deque(maxlen=following.CUTS_LOOKED_AT)).appendleft(
                (superseded, before[1])
            )
        elif place in self._superseded:
            del self._superseded[place]
        self._watched[place] = (known, at_s)
        (self._never_left.discard if left else self._never_left.add)(place)

    def _poll(self, at_s: float) -> None:
        """What the poller and the rows of the changes show: states, read-back, ages; only where something moves."""
        for place, (before, sent_s) in list(self._watched.items()):
            age_s = at_s - sent_s
            polled = self._hardware.poll(place)
            known = self._read_back(place, replace(before, age_s=age_s), polled, at_s)
            self._watched[place] = (known, sent_s)
            forgotten = polled.steady and _is_forgotten(known)
            if forgotten:
                del self._watched[place]
                self._superseded.pop(place, None)
            view = self._measured(place, polled)
            preset = polled.preset or view.saved_preset
            self._views[place] = replace(
                view,
                state=polled.state,
                running_preset=preset,
                saved_preset=preset,
                last_change=None if forgotten else known,
                stopped_by_us=polled.preset is None,
                cooldown_left_s=max(0.0, self._settings.cooldown_s - age_s),
            )
        if self._learn is not None:
            for place, view in self._learn(at_s, self._views).items():
                self._views[place] = view

    def _measured(self, place: int, polled: Polled) -> MinerView:
        return replace(
            self._views[place],
            measured_power_w=polled.power_w / self._settings.wall_factor,
            measured_hashrate_ths=polled.hashrate_ths,
        )

    def _read_back(self, place: int, known: ChangeView, polled: Polled, at_s: float) -> ChangeView:
        if known.finished_age_s is not None:
            return replace(known, finished_age_s=known.finished_age_s + self._interval_s)
        if polled.preset == known.new_preset:
            booting = polled.state is MinerState.RESTARTING
            return known if booting else replace(known, outcome=Outcome.CONFIRMED, finished_age_s=0.0)
        if known.age_s >= following.NOT_APPLIED_AFTER_S:
            return replace(known, outcome=Outcome.NOT_APPLIED, finished_age_s=0.0)
        earlier = [replace(change, age_s=at_s - sent_s) for change, sent_s in self._superseded.get(place, ())]
        return replace(known, polled_unchanged=following.had_its_time(known, earlier, polled.preset))


def _is_forgotten(change: ChangeView) -> bool:
    """Whether a change no longer matters to any rule: read back, or in vain too long ago to count as an attempt."""
    if change.outcome is Outcome.CONFIRMED:
        return (change.finished_age_s or 0.0) > FORGOTTEN_AFTER_S
    return change.finished_age_s is not None and change.age_s > following.RETRY_WINDOW_S


@dataclass(slots=True)
class _Round:
    """The commands of one cycle, one after the other. `moved_w`: what the accepted ones move the accounted power by."""

    at_s: float
    commands: Commands
    sent: int = 0
    failed: int = 0
    moved_w: float = 0.0
    _left: int = 0

    @property
    def arrives_s(self) -> float:
        """When the next command arrives."""
        return self.at_s + self.commands.latency_s + self._left / self.commands.per_s

    @property
    def late(self) -> bool:
        """Whether there is no time left for the next one."""
        return self._left / self.commands.per_s > self.commands.window_s

    def note(self, change: PresetChange, *, accepted: bool, left: bool) -> None:
        self._left += left
        self.sent += accepted
        self.failed += not accepted
        self.moved_w += change.delta_w if accepted else 0.0
