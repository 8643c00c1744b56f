"""The program around `plan`, as a fast model without HTTP and database: polls, the one door, rows, restarts.

It does what SPEC 4 says of the jobs: rows with stamps survive a restart of PowerHive, everything else does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from app.core import following
from app.core.limits import LimitFacts, violation
from app.core.plan import plan
from app.core.readings import MinerState, MinerStatus, Stamp
from app.core.river import readings_needed
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
from tests.core.builders import miner as build_view
from tests.core.builders import settings
from tests.core.hard_limits import broken_limits
from tests.core.model_miner import ModelMiner

INTERVAL_S = 15.0


@dataclass
class Row:
    """One change, as the event table keeps it."""

    change: PresetChange
    recorded: Stamp
    attempt: int
    outcome: Outcome = Outcome.SENDING
    effective: bool = False
    polled_unchanged: bool = False
    finished: Stamp | None = None

    def view(self, now: Stamp) -> ChangeView:
        return ChangeView(
            kind=self.change.kind,
            old_preset=self.change.old_preset,
            new_preset=self.change.new_preset,
            old_power_w=self.change.old_power_w,
            new_power_w=self.change.new_power_w,
            outcome=self.outcome,
            age_s=self.recorded.elapsed_s(now),
            effective=self.effective,
            attempt=self.attempt,
            polled_unchanged=self.polled_unchanged,
            finished_age_s=None if self.finished is None else self.finished.elapsed_s(now),
            origin=self.change.origin,
        )

    def end(self, outcome: Outcome, now: Stamp) -> None:
        self.outcome, self.finished = outcome, now


@dataclass
class Known:
    """What the database knows of one miner."""

    managed: bool = True
    held: bool = False
    max_preset: str | None = None
    polled: Stamp | None = None
    missed: int = 0
    state: MinerState = MinerState.UNKNOWN
    running: str | None = None
    saved: str | None = None
    power_w: float | None = None
    accounted_w: float | None = None
    stopped_by_us: bool = False
    rows: list[Row] = field(default_factory=list)


class ModelProgram:
    """PowerHive: `poll`, `cycle` and `restart` are called by the farm's clock."""

    def __init__(self, miners: Iterable[ModelMiner], **values: Any) -> None:
        self.settings: Settings = settings(**values)
        self.miners = {m.id: m for m in miners}
        self.known = {m.id: Known(saved=m.saved) for m in self.miners.values()}
        self.memory = CycleMemory()
        self.started: Stamp | None = None
        self.fresh = self.polled = self.dead = False
        self.dies_after: int | None = None  # killed once it has sent so many more commands
        self.used_reading = 0
        self.seen: list[tuple[Stamp, int, float]] = []  # when, which reading, and its available power (kW)
        self.plans: list[Plan] = []
        self.broken: list[str] = []
        self.refused_at_the_door: list[str] = []

    def set(self, **values: Any) -> None:
        self.settings = replace(self.settings, **values)

    def die(self) -> None:
        """Be killed while the latest changes are being sent."""
        self.dead = True

    def restart(self, now: Stamp) -> None:
        self.dead, self.started, self.fresh, self.polled, self.dies_after = False, now, False, False, None
        self.memory, self.seen = CycleMemory(self.memory.overhead_kw), []  # nobody looked meanwhile
        for known in self.known.values():
            for row in known.rows[-1:]:
                if row.outcome is Outcome.SENDING:
                    row.outcome = Outcome.UNKNOWN

    # --- the status poller ---

    def poll(self, now: Stamp, true_s: float) -> None:
        if self.dead:
            return
        for id_, machine in self.miners.items():
            known = self.known[id_]
            if not machine.answers:
                known.missed += 1
            else:
                known.missed, known.polled = 0, now
                known.state, known.saved = machine.state(true_s), machine.saved
                known.running = machine.running
                known.power_w = machine.draw_w(true_s) or None
            self._confirm(known, machine.answers, now)
        self.polled = True

    def _confirm(self, known: Known, answered: bool, now: Stamp) -> None:
        row = known.rows[-1] if known.rows else None
        if row is not None and row.outcome.on_its_way:
            change = row.view(now)
            status = MinerStatus(known.state, known.state.value, running_preset=known.running)
            earlier = [before.view(now) for before in reversed(known.rows[:-1])]
            if answered and following.is_done(change, status):
                row.end(Outcome.CONFIRMED, now)
            elif answered and following.is_unchanged(change, status):
                row.polled_unchanged |= following.had_its_time(change, earlier, known.running)
            if row.outcome.on_its_way and change.age_s >= following.NOT_APPLIED_AFTER_S:
                row.end(Outcome.NOT_APPLIED, now)
        stopping = row is not None and row.outcome.on_its_way and row.change.kind is ChangeKind.STOP
        if answered and known.state.hashing and not stopping:
            known.stopped_by_us = False

    # --- the balancer ---

    def snapshot(self, now: Stamp, reading: PlantView | None, failed: frozenset[int] = frozenset()) -> Snapshot:
        return Snapshot(
            now=now,
            settings=self.settings,
            miners=tuple(self.view(id_, now, failed=id_ in failed) for id_ in self.miners),
            plant=reading,
            memory=self.memory,
            uptime_s=0.0 if self.started is None else self.started.elapsed_s(now),
            fresh_since_start=self.fresh,
            polled_since_start=self.polled,
            raised_last_min_w=self._raised_last_min_w(now),
            cuts_only=bool(failed),
            recent_available_kw=self._recent_available_kw(now, reading),
        )

    def _recent_available_kw(self, now: Stamp, reading: PlantView | None) -> tuple[float, ...]:
        """The available power of the readings before this one, back to the last gap."""
        found: list[float] = []
        later = now
        for at, reading_id, available_kw in reversed(self.seen):
            if at.elapsed_s(later) > self.settings.stale_after_s or reading is None:
                break
            if reading_id != reading.reading_id:
                found.append(available_kw)
            later = at
        return tuple(reversed(found[: readings_needed(self.settings, INTERVAL_S) - 1]))

    def view(self, id_: int, now: Stamp, *, failed: bool = False) -> MinerView:
        machine, known = self.miners[id_], self.known[id_]
        last = known.rows[-1].view(now) if known.rows else None
        silent_s = 0.0 if known.polled is None else known.polled.elapsed_s(now)
        facts: dict[str, Any] = {} if known.max_preset is None else {"max_preset": known.max_preset}
        return build_view(
            id_,
            machine.alias,
            known.running,
            ladder=machine.ladder,
            managed=known.managed,
            held=known.held,
            state=known.state,
            saved_preset=known.saved,
            measured_power_w=known.power_w,
            silent_s=silent_s if known.missed >= 3 or silent_s > 60 else None,
            last_accounted_w=known.accounted_w,
            last_change=last,
            cooldown_left_s=0.0 if last is None else max(0.0, self.settings.cooldown_s - last.age_s),
            stopped_by_us=known.stopped_by_us,
            failed_this_cycle=failed,
            **facts,
        )

    def _raised_last_min_w(self, now: Stamp) -> float:
        latest = [row for known in self.known.values() for row in known.rows[-3:] if row.recorded.elapsed_s(now) < 60]
        return sum(max(0.0, r.change.delta_w) for r in latest if r.outcome is not Outcome.FAILED)

    def cycle(self, now: Stamp, true_s: float, reading: PlantView | None) -> None:
        """Plan, send, and plan again within the cycle what did not get through."""
        if self.dead:
            return
        if reading is not None:
            reading = replace(reading, is_new=reading.reading_id != self.used_reading)
            self.used_reading = reading.reading_id
            self.fresh = self.fresh or (reading.age_s <= self.settings.stale_after_s and reading.is_new)
        failed: frozenset[int] = frozenset()
        for look in range(4):
            picture = self.snapshot(now, reading, failed)
            decided = plan(picture)
            self.broken += [f"{now.monotonic_s:.0f}: {sentence}" for sentence in broken_limits(decided, picture)]
            if look == 0:
                self.plans.append(decided)
                if reading is not None and reading.is_new:
                    self.seen.append((now, reading.reading_id, decided.available_kw))
                for id_, power_w in decided.remembered.items():
                    self.known[id_].accounted_w = power_w
            lost = self._carry_out(decided, now, true_s)
            if look == 0:
                self.memory = decided.memory
            if not lost:
                return
            failed |= lost

    def _carry_out(self, decided: Plan, now: Stamp, true_s: float) -> frozenset[int]:
        """Pass each change through the door; return the cuts that did not get through."""
        lost = set()
        facts = LimitFacts(self.settings.mode, decided.increases_allowed)
        for change in decided.changes:
            if not decided.send and change.origin == "balancer":
                continue
            known = self.known[change.miner_id]
            refusal = violation(change, self.view(change.miner_id, now), facts)
            if refusal is not None:
                self.refused_at_the_door.append(refusal)
                continue
            last = known.rows[-1].view(now) if known.rows else None
            row = Row(change, now, following.attempt(change, last))
            if known.rows and known.rows[-1].outcome.on_its_way:
                known.rows[-1].end(Outcome.SUPERSEDED, now)
            known.rows.append(row)
            known.stopped_by_us = known.stopped_by_us or change.kind is ChangeKind.STOP
            if self._dies():
                continue  # killed while sending: the row is there, nothing more happens
            outcome, accepted = self.miners[change.miner_id].command(change.kind, change.new_preset, true_s)
            if self.dies_after is not None:
                continue  # on its way to be killed: nobody hears the answer
            row.effective = accepted
            if outcome is Outcome.FAILED:
                row.end(outcome, now)
                known.stopped_by_us = known.stopped_by_us and change.kind is not ChangeKind.STOP
            else:
                row.outcome = outcome
            if change.delta_w < 0 and not accepted:
                lost.add(change.miner_id)
        return frozenset(lost)

    def _dies(self) -> bool:
        if self.dies_after is not None and self.dies_after <= 0:
            self.dead = True
        if self.dies_after is not None:
            self.dies_after -= 1
        return self.dead
