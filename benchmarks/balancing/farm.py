"""The model farm: miners that restart and ramp, a reading every 15 s, commands one after the other, the real `plan`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from app.core.plan import plan
from app.core.types import (
    ChangeKind,
    ChangeView,
    CycleMemory,
    MinerState,
    MinerView,
    Outcome,
    Plan,
    PlantView,
    PresetChange,
    Settings,
    Snapshot,
    Stamp,
)
from benchmarks.balancing.fleet import LADDERS, OFF_W, Clairvoyant, Fleet

T0 = datetime(2026, 1, 1, tzinfo=UTC)
UNCHANGED_AFTER_S, NOT_APPLIED_AFTER_S, LOOKS = 45.0, 300.0, 4


@dataclass(frozen=True)
class Physics:
    """Seconds and shares. `restart_s` near zero at `idle`, then `ramp_s` up to full power and hashrate."""

    restart_s: float = 40.0
    ramp_s: float = 60.0
    idle: float = 0.08
    reading_s: int = 15
    reading_age_s: float = 2.0
    latency_s: float = 1.0
    commands_per_s: float = 50.0
    fails: float = 0.0  # share of commands that are refused
    deaf: float = 0.0  # share of miners that accept and do not apply
    belief: float = 0.0  # how far the learned factors are off


@dataclass
class Result:
    """Of one run, after the first `warm_s`. `reached_s`: from the first second above the target to the target."""

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

    def __init__(self, fleet: Fleet, trace: np.ndarray, settings: Settings, physics: Physics, seed: int = 1) -> None:
        self.fleet, self.settings, self.physics = fleet, settings, physics
        self.random = np.random.default_rng(seed)
        self.budget_w = trace * fleet.max_w
        self.margin = 1.0 - settings.safety_margin_percent / 100.0
        n = fleet.size
        off = self.random.uniform(-physics.belief, physics.belief, n) if physics.belief else np.zeros(n)
        off_ths = self.random.uniform(-physics.belief, physics.belief, n) if physics.belief else np.zeros(n)
        self.deaf = self.random.random(n) < physics.deaf
        self.ladders = [LADDERS[alias] for alias in fleet.aliases]
        self.watts = [dict(zip((p.name for p in ladder.presets), fleet.watts(i), strict=True))
                      for i, ladder in enumerate(self.ladders)]  # fmt: skip
        self.ths = [dict(zip((p.name for p in ladder.presets), fleet.ths(i), strict=True))
                    for i, ladder in enumerate(self.ladders)]  # fmt: skip
        tops = [ladder.presets[-1] for ladder in self.ladders]
        self.views = [
            MinerView(
                id=i, mac=f"{i:012x}", ladder=self.ladders[i], model_alias=fleet.aliases[i], managed=True,
                max_preset=tops[i].name, max_preset_w=tops[i].firmware_power_w, state=MinerState.MINING,
                running_preset=tops[i].name, saved_preset=tops[i].name,
                power_factor=round(float(fleet.power[i] * (1 + off[i])), 3),
                hashrate_factor=round(float(fleet.hashrate[i] * (1 + off_ths[i])), 3),
            )
            for i in range(n)
        ]  # fmt: skip
        self.running: list[str | None] = [top.name for top in tops]  # None: stopped
        self.old_w, self.old_ths, self.old_t = np.zeros(n), np.zeros(n), np.full(n, -1e6)
        self.new_w = np.array([self.watts[i][tops[i].name] for i in range(n)])
        self.new_ths = np.array([self.ths[i][tops[i].name] for i in range(n)])
        self.new_t = np.full(n, -1e6)
        self.changes: dict[int, tuple[ChangeView, float]] = {}  # by miner, with the moment of its row
        self.memory = CycleMemory()
        self.recent: deque[float] = deque(maxlen=200)
        self.raised: deque[tuple[float, float]] = deque()
        self.counted = 0
        self.decision_ms: list[float] = []
        self.reasons: list[str] = []

    # --- physics ---

    def _level(self, since_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        physics = self.physics
        ramp = np.clip((since_s - physics.restart_s) / physics.ramp_s, 0.0, 1.0)
        return physics.idle + (1.0 - physics.idle) * ramp, ramp

    def _second(self, t: float) -> tuple[float, float]:
        """What all draw (W) and hash (TH/s) at second `t`."""
        new_w, new_ths = self._level(t - self.new_t)
        old_w, old_ths = self._level(t - self.old_t)
        changed = t >= self.new_t
        draw = np.where(changed, self.new_w * new_w, self.old_w * old_w)
        stopped = np.where(changed, self.new_w, self.old_w) == OFF_W
        draw = np.where(stopped, OFF_W, draw)
        return float(draw.sum()), float(np.where(changed, self.new_ths * new_ths, self.old_ths * old_ths).sum())

    def run(self, solver: Callable[[Snapshot], Plan] = plan, warm_s: int = 900) -> Result:
        """Run the whole trace after a warm-up at its first value."""
        every, length = self.physics.reading_s, len(self.budget_w)
        draws, hashes = np.zeros(length), np.zeros(length)
        for t in range(-warm_s, length):
            if t == 0:
                self.counted = 0
                self.decision_ms.clear()
            if t % every == 0:
                self._cycle(t, solver)
            if t >= 0:
                draws[t], hashes[t] = self._second(float(t))
        return self._result(draws, hashes)

    def _result(self, draws: np.ndarray, hashes: np.ndarray) -> Result:
        # SPEC 6: miners are stopped only where even the lowest presets exceed what is available, not the target.
        floor_w, available_w = self.fleet.floor_w, self.budget_w / self.margin
        allowed_w = np.where(floor_w <= available_w, np.maximum(self.budget_w, floor_w), self.budget_w)
        band_w = np.maximum(self.settings.tolerance_w, self.settings.cut_above_percent / 100.0 * self.budget_w)
        over = draws - allowed_w - band_w
        physics, length = self.physics, len(self.budget_w)
        seconds = np.arange(length)
        held_at = ((seconds - physics.latency_s) // physics.reading_s) * physics.reading_s - physics.reading_age_s
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
            changes=self.counted / self.fleet.size / (length / 86_400.0),
            decision_ms=float(np.median(self.decision_ms)) if self.decision_ms else 0.0,
            reasons=self.reasons,
        )

    # --- the program ---

    def _cycle(self, t: int, solver: Callable[[Snapshot], Plan]) -> None:
        measured = self.budget_w[max(0, int(t - self.physics.reading_age_s))]
        available_kw = float(measured) / self.margin / 1000.0
        self._poll(float(t))
        while self.raised and self.raised[0][0] < t - 60:
            self.raised.popleft()
        picture = Snapshot(
            now=Stamp(T0 + timedelta(seconds=t), 1e6 + t, "bench"), settings=self.settings, miners=tuple(self.views),
            plant=PlantView(t + 10**6, T0 + timedelta(seconds=t), available_kw, 0.0, 0.0,
                            age_s=self.physics.reading_age_s),
            memory=self.memory, uptime_s=1e6, fresh_since_start=True, polled_since_start=True,
            raised_last_min_w=sum(watts for _, watts in self.raised), interval_s=float(self.physics.reading_s),
            recent_available_kw=tuple(self.recent),
        )  # fmt: skip
        sent = 0
        for look in range(LOOKS):
            began = time.perf_counter()
            decided = solver(picture)
            if look == 0:
                if decided.changes:
                    self.decision_ms.append(1000.0 * (time.perf_counter() - began))
                self.memory = decided.memory
                self.recent.append(decided.available_kw)
                if len(self.reasons) < 2000:
                    self.reasons.append(f"{t}: {decided.reason}")
            failed: set[int] = set()
            for change in decided.changes:
                at = t + self.physics.latency_s + sent / self.physics.commands_per_s
                sent += 1
                if not self._send(change, float(t), at):
                    failed.add(change.miner_id)
            if not failed:
                return
            views = [replace(view, failed_this_cycle=True) if view.id in failed else view for view in self.views]
            picture = replace(picture, miners=tuple(views), memory=self.memory, cuts_only=True)

    def _send(self, change: PresetChange, t: float, at: float) -> bool:
        i = change.miner_id
        refused = self.physics.fails > 0 and self.random.random() < self.physics.fails
        known = ChangeView(
            kind=change.kind, old_preset=change.old_preset, new_preset=change.new_preset,
            old_power_w=change.old_power_w, new_power_w=change.new_power_w,
            outcome=Outcome.FAILED if refused else Outcome.SENT, age_s=0.0, effective=not refused,
            finished_age_s=0.0 if refused else None,
        )  # fmt: skip
        last = self.views[i].last_change
        if last is not None and (last.kind, last.new_preset) == (known.kind, known.new_preset):
            known = replace(known, attempt=1 if last.outcome is Outcome.CONFIRMED else last.attempt + 1)
        self.changes[i] = (known, t)
        view = replace(self.views[i], last_change=known, cooldown_left_s=float(self.settings.cooldown_s))
        if refused:
            self.views[i] = view
            return False
        self.counted += 1
        if change.delta_w > 0:
            self.raised.append((t, change.delta_w))
        self.views[i] = replace(view, stopped_by_us=change.kind is ChangeKind.STOP)
        if not self.deaf[i]:
            self.old_w[i], self.old_ths[i], self.old_t[i] = self.new_w[i], self.new_ths[i], self.new_t[i]
            name = change.new_preset
            self.running[i] = name
            self.new_w[i] = OFF_W if name is None else self.watts[i][name]
            self.new_ths[i] = 0.0 if name is None else self.ths[i][name]
            self.new_t[i] = at
        return True

    def _poll(self, t: float) -> None:
        """What the poller and the event rows show: states, read-back, ages."""
        for i, (before, at) in list(self.changes.items()):
            age_s = t - at
            restarting = t - self.new_t[i] < self.physics.restart_s
            running = self.running[i]
            state = MinerState.STOPPED if running is None else (
                MinerState.RESTARTING if restarting and running is not None else MinerState.MINING)  # fmt: skip
            known = self._read_back(replace(before, age_s=age_s), running, state)
            self.changes[i] = (known, at)
            self.views[i] = replace(
                self.views[i], state=state, running_preset=running or self.views[i].saved_preset, last_change=known,
                saved_preset=running or self.views[i].saved_preset,
                stopped_by_us=running is None, cooldown_left_s=max(0.0, self.settings.cooldown_s - age_s),
            )  # fmt: skip
            if known.finished_age_s is not None and known.finished_age_s > 120 and age_s > 900:
                del self.changes[i]
                self.views[i] = replace(self.views[i], last_change=None)

    def _read_back(self, known: ChangeView, running: str | None, state: MinerState) -> ChangeView:
        if known.finished_age_s is not None:
            return replace(known, finished_age_s=known.finished_age_s + self.physics.reading_s)
        if running == known.new_preset:
            booting = state is MinerState.RESTARTING
            return known if booting else replace(known, outcome=Outcome.CONFIRMED, finished_age_s=0.0)
        if known.age_s >= NOT_APPLIED_AFTER_S:
            return replace(known, outcome=Outcome.NOT_APPLIED, finished_age_s=0.0)
        return replace(known, polled_unchanged=known.age_s >= UNCHANGED_AFTER_S)
