"""The plan while it is being made: books, changes so far, and the one way a change gets into it (past the limits)."""

from __future__ import annotations

from dataclasses import replace

from app.core import eligible, ladder, power
from app.core.data_age import DataAge
from app.core.limits import LimitFacts, is_increase, violation
from app.core.policies import Candidate, Step
from app.core.readings import MinerState
from app.core.types import ChangeKind, MinerView, Mode, Origin, PlantView, PresetChange, Skip, Snapshot


class Draft:
    """Collects the changes of one cycle. `planned_w`: what the managed miners would count with after them (W)."""

    def __init__(self, snapshot: Snapshot, age: DataAge) -> None:
        eligible.make_room()
        self.snapshot = snapshot
        self.books = power.balance(snapshot)
        # No reading: there is no target to hold the farm to; 0 is only what is shown.
        self.target_w = (
            power.target_w(self.books.available_kw, snapshot.settings, age.trust) if snapshot.plant is not None else 0.0
        )
        self.managed = tuple(m for m in snapshot.miners if m.managed and not m.retired)
        self._untouchable = {m.id: why for m in self.managed if (why := eligible.untouchable(m)) is not None}
        self.planned_w = self.books.current_w
        self.changes: dict[int, PresetChange] = {}
        self.skips: dict[int, Skip] = {}
        self.emergency = False
        self.increases_allowed = age.increases_allowed
        self.stopped_w = power.STOPPED_W * snapshot.settings.wall_factor
        # What would be done is planned in every mode; the door looks at the mode before anything is sent.
        self._facts = LimitFacts(mode=Mode.ARMED, increases_allowed=age.increases_allowed)
        self._candidates: dict[int, Candidate] = {}
        self._stop = Step(None, self.stopped_w)

    # --- who ---

    def unmoved(self) -> list[MinerView]:
        """Return the managed miners that no change of this plan moves yet."""
        return [miner for miner in self.managed if miner.id not in self.changes]

    def candidate(self, miner: MinerView) -> Candidate:
        """Return the miner with its possible steps."""
        found = self._candidates.get(miner.id)
        if found is None:
            found = eligible.candidate(miner, self.books.accounts[miner.id], self.snapshot.settings)
            if not self._facts.increases_allowed:
                sure = (step for step in found.lower if not is_increase(_cut(found, step), miner))
                found = replace(found, lower=tuple(sure))
            self._candidates[miner.id] = found
        return found

    def stoppable(self, miner: MinerView) -> Candidate:
        """Return the miner with its steps and, where its hashrate is known, a stop as one more."""
        found = self.candidate(miner)
        if not (found.expected_ths > 0 and miner.state.hashing and eligible.stoppable(miner)):
            return found
        return Candidate(miner, found.power_w, found.preset, found.expected_ths, found.lower, found.higher, self._stop)

    def startable(self, miner: MinerView) -> Candidate:
        """Return a miner that PowerHive stopped; its step up is a start at the lowest preset, by the room it takes."""
        lowest = ladder.lowest(miner)
        room_w = self.lowest_w(miner) * (1.0 + self.snapshot.settings.restart_room_percent / 100.0)
        start = () if lowest is None else (Step(lowest, room_w),)
        return replace(self.candidate(miner), preset=None, expected_ths=0.0, lower=(), higher=start)

    def lowest_w(self, miner: MinerView) -> float:
        """Return what the miner could be brought down to by presets (W), now or after its cooldown.

        A stopped one: what its lowest preset would take. One that cannot be moved: what it counts with.
        """
        counted_w = self.books.accounts[miner.id].power_w
        if eligible.stopped_by_us(miner):
            lowest_w = power.wall_w(miner, ladder.lowest(miner), self.snapshot.settings)
            return lowest_w if lowest_w is not None else counted_w
        if miner.id in self._untouchable or eligible.gave_up_cutting(miner):
            return counted_w
        lower = self.candidate(miner).lower
        return lower[-1].power_w if lower else counted_w

    def lowest_ths(self, miner: MinerView) -> float | None:
        """Return the hashrate of the miner's lowest preset in TH/s; None where it has no preset to choose."""
        lowest = ladder.lowest(miner)
        return None if lowest is None else power.preset_ths(miner, lowest)

    # --- what ---

    def move(
        self, candidate: Candidate, step: Step, reason: str, origin: Origin = Origin.BALANCER, *,
        above_max: bool = False,
    ) -> bool:  # fmt: skip
        """Plan a change to `step`, unless a hard limit forbids it; then the miner is skipped with that sentence."""
        kind, preset = (ChangeKind.STOP, None) if step.preset is None else (ChangeKind.PRESET, step.preset.name)
        return self._add(
            candidate, kind, preset=preset, new_w=step.power_w, reason=reason, origin=origin, above_max=above_max
        )

    def to_lowest(self, miner: MinerView, reason: str, origin: Origin) -> None:
        """Plan the way to the miner's lowest preset, where it is not there already or on its way."""
        candidate = self.candidate(miner)
        why_not = eligible.unreachable(miner)
        if why_not is None and eligible.gave_up_cutting(miner):
            why_not = eligible.GAVE_UP
        if why_not is not None:
            self.skip(miner, why_not)
        elif candidate.lower and miner.state is not MinerState.STOPPED:
            self.move(candidate, candidate.lower[-1], reason, origin)

    def stop(self, miner: MinerView, reason: str, origin: Origin) -> bool:
        """Plan to stop mining on `miner`; takes the place of a preset change planned before."""
        planned = self.changes.pop(miner.id, None)
        if planned is not None:
            self.planned_w -= planned.delta_w
        return self._add(
            self.candidate(miner), ChangeKind.STOP, preset=None, new_w=self.stopped_w, reason=reason, origin=origin
        )

    def stops(self, miner: MinerView) -> bool:
        """Return whether this plan stops the miner."""
        planned = self.changes.get(miner.id)
        return planned is not None and planned.kind is ChangeKind.STOP

    def start(self, miner: MinerView, reason: str = "the room for it has lasted") -> float:
        """Plan to start a miner we stopped, at its lowest preset. Return the watts this takes, 0 if forbidden."""
        lowest = ladder.lowest(miner)
        candidate, lowest_w = self.candidate(miner), self.lowest_w(miner)
        started = self._add(
            candidate,
            ChangeKind.START,
            preset=None if lowest is None else lowest.name,
            new_w=lowest_w,
            reason=reason,
            origin=Origin.BALANCER,
        )
        return lowest_w - candidate.power_w if started else 0.0

    def skip(self, miner: MinerView, reason: str) -> None:
        """Note why a miner is passed over."""
        self.skips[miner.id] = Skip(miner.id, miner.mac, reason)

    def pass_over_untouchable(self) -> None:
        """Give whom nothing may be sent to its own reason, also where this cycle had nothing for it."""
        for miner in self.unmoved():
            why_not = self._untouchable.get(miner.id)
            if why_not is not None and miner.id not in self.skips:
                self.skip(miner, why_not)

    def _add(
        self, candidate: Candidate, kind: ChangeKind, *, preset: str | None, new_w: float, reason: str, origin: Origin,
        above_max: bool = False,
    ) -> bool:  # fmt: skip
        miner = candidate.miner
        change = PresetChange(
            miner.id, miner.mac, kind, candidate.preset, preset, candidate.power_w, new_w, reason, origin, above_max
        )
        broken = violation(change, miner, self._facts)
        if broken is not None:
            self.skip(miner, broken)
            return False
        self.changes[miner.id] = change
        self.planned_w += change.delta_w
        return True

    # --- how much ---

    def emergency_limit_w(self) -> tuple[float, bool]:
        """Return what the managed miners may draw at the very most (W), and whether they exceed it: an emergency.

        The meters have their own word: measured consumption above measured generation on two fresh readings counts,
        whatever the accounting says, less the cuts a reading of that age cannot show yet.
        """
        plant, tolerance_w = self.snapshot.plant, self.snapshot.settings.tolerance_w
        limit_w = max(0.0, self.books.available_kw * 1000.0)  # who draws nothing exceeds nothing
        emergency = self.planned_w > limit_w + tolerance_w
        if plant is not None and plant.over_generation_twice:
            excess_w = (plant.container_kw - plant.generation_kw) * 1000.0 - self._cuts_not_seen_w(plant)
            if excess_w > 0:
                limit_w = min(limit_w, self.books.current_w - excess_w)
                emergency = emergency or self.planned_w > limit_w
        return limit_w, emergency

    def _cuts_not_seen_w(self, plant: PlantView) -> float:
        changes = (power.unsettled(miner, plant) for miner in self.managed)
        return sum(max(0.0, c.old_power_w - c.new_power_w) for c in changes if c is not None and c.effective)

    def capacity_w(self) -> tuple[float, float]:
        """Return what the managed miners could still give by presets, and take at their highest allowed ones (W)."""
        give_w = take_w = 0.0
        for miner in self.managed:
            if miner.id in self._untouchable:
                continue
            candidate = self.candidate(miner)
            if candidate.higher:
                take_w += max(0.0, candidate.higher[-1].power_w - candidate.power_w)
            if candidate.lower and not (eligible.stopped_by_us(miner) or eligible.gave_up_cutting(miner)):
                give_w += max(0.0, candidate.power_w - candidate.lower[-1].power_w)
        return give_w, take_w

    def highest_w(self) -> list[float]:
        """Return what each managed miner could draw at its highest allowed preset, a stopped one too (W).

        One that cannot be moved: what it counts with.
        """
        return [self._highest_w(miner) for miner in self.managed]

    def _highest_w(self, miner: MinerView) -> float:
        counted_w = self.books.accounts[miner.id].power_w
        if miner.id in self._untouchable:
            return counted_w
        if eligible.stopped_by_us(miner):
            choices = (power.wall_w(miner, preset, self.snapshot.settings) for preset in ladder.choices(miner))
            return max((power_w for power_w in choices if power_w is not None), default=counted_w)
        higher = self.candidate(miner).higher
        return higher[-1].power_w if higher else counted_w


def _cut(candidate: Candidate, step: Step) -> PresetChange:
    miner = candidate.miner
    return PresetChange(
        miner.id, miner.mac, ChangeKind.PRESET, candidate.preset, step.name, candidate.power_w, step.power_w, reason=""
    )
