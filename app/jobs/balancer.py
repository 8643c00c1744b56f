"""One balance cycle: snapshot -> plan -> row -> changes through the door -> row.

What a dead miner does not give is taken from others in the same cycle: the plan is made again on the same picture with
what has been learned since, cuts only, until the cuts hold or the time is up. Raises come last, and only as far as the
cuts they lean on were taken on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import sleep

from sqlalchemy.exc import OperationalError

from app.clock import stamp
from app.core import plan as planning
from app.core.readings import Stamp
from app.core.types import ChangeKind, ChangeView, MinerView, Origin, Outcome, Plan, PresetChange, Snapshot
from app.errors import PowerHiveError
from app.jobs import apply as door
from app.jobs.apply import Hands, Result
from app.jobs.runner import JobContext
from app.store import cycles
from app.store import snapshot as snapshots
from app.store.changes import ChangeContext

MAX_ROUNDS = 12  # a farm half dead halves in each what is missing; the deadline is what ends a cycle
ROUND_S = 3.0  # a further round is begun only with this much time left
ROUNDING_W = 1.0
LOOK_S = 1.0  # how often a cycle whose cuts are spread looks for a newer reading or order


def run(job: JobContext) -> str:
    """Run one cycle and return its reason with what became of it.

    Raises:
        PowerHiveError: the database takes no rows; without a row nothing may be sent.
    """
    return cycle(job)


def cycle(job: JobContext, hands: Hands | None = None, pause: Callable[[float], None] = sleep) -> str:
    """Run one cycle with these hands (None: the real ones). `pause` waits for so many seconds."""
    config = job.config
    snapshot = snapshots.load(
        stamp(),
        interval_s=config.balance_interval_s,
        reading_interval_s=config.plant_interval_s,
        term_id=job.term_id,
    )
    plan = planning.plan(snapshot)
    try:
        cycle_id = cycles.record(snapshot, plan)
    except OperationalError as e:
        raise PowerHiveError(
            f"The database cannot be written ({e.orig}), so nothing may be sent. Is the disk full?"
        ) from e
    work = _Work(job, hands, cycle_id, snapshot, plan, pause)
    work.carry_out()
    if work.decided:
        cycles.finish(
            cycle_id,
            cycles.CycleEnd(
                changes=work.decided,
                failed=work.failed,
                expected_w=work.expected_w,
                duration_s=snapshot.now.elapsed_s(stamp()),
            ),
        )
    return work.note()


@dataclass(slots=True)
class _Work:
    """Carrying out one cycle's plan, round by round."""

    job: JobContext
    hands: Hands | None
    cycle_id: int
    snapshot: Snapshot
    plan: Plan
    pause: Callable[[float], None]
    decided: list[PresetChange] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    outdated: bool = False

    def carry_out(self) -> None:
        """Cut until it holds, then raise what may still be raised."""
        wanted = self.plan.sendable
        self._cut([change for change in wanted if change.is_cut])
        raises = affordable(self.plan, [change for change in wanted if not change.is_cut], self.results)
        if raises and not self.outdated:
            self._apply(raises)

    def _cut(self, cuts: Sequence[PresetChange]) -> None:
        snapshot, plan = self.snapshot, self.plan
        for _round in range(MAX_ROUNDS):
            if not cuts:
                return
            results = self._apply_at_their_pace(cuts, plan)
            missed = [result for result in results if not result.effective]
            nobody_passed = all(result.ending is None for result in results)
            if self.outdated or not missed or nobody_passed or self.job.deadline.left_s() < ROUND_S:
                return
            snapshot = follow_up(snapshot, plan, results, stamp())
            plan = planning.plan(snapshot)
            cuts = [change for change in plan.sendable if change.is_cut]

    def _apply_at_their_pace(self, cuts: Sequence[PresetChange], plan: Plan) -> list[Result]:
        """Send cuts: all at once, or spread over the cycle where a ramp is set and nothing is overloaded (SPEC 6).

        What a person ordered, and what is above its max preset, waits for no ramp. And once a newer reading or order
        has come, the rest is left to the next cycle, which knows more.
        """
        pace_w_per_s = plan.cut_pace_w_per_s
        at_once = [c for c in cuts if pace_w_per_s is None or c.above_max or c.origin is Origin.OPERATOR]
        results = self._apply(at_once) if at_once else []
        spread = [cut for cut in cuts if cut not in at_once] if pace_w_per_s is not None else []
        if not spread or pace_w_per_s is None:
            return results
        raises = any(not change.is_cut for change in plan.sendable)
        usable_s = self.job.deadline.left_s() - ROUND_S - (door.RESERVE_S + door.CALL_S if raises else 0.0)
        pace_w_per_s = max(pace_w_per_s, freed_w(spread) / max(1.0, usable_s))
        before: list[PresetChange] = []
        for second in a_second_each(spread, pace_w_per_s):
            self.outdated = bool(before) and self._waited_in_vain(freed_w(before) / pace_w_per_s)
            if self.outdated:
                break
            results += self._apply(second)
            before = second
        return results

    def _waited_in_vain(self, wait_s: float) -> bool:
        """Wait, and return whether what was planned is outdated meanwhile."""
        while wait_s > 0:
            self.pause(min(wait_s, LOOK_S))
            wait_s -= LOOK_S
            if snapshots.is_outdated(self.snapshot):
                return True
        return False

    def _apply(self, changes: Sequence[PresetChange]) -> list[Result]:
        self.decided += changes
        results = door.apply(changes, self._context(), self.job, hands=self.hands)
        self.results += results
        return results

    def _context(self) -> ChangeContext:
        plan = self.plan
        return ChangeContext(
            cycle_id=self.cycle_id,
            current_w=self.expected_w,
            available_w=plan.available_w,
            target_w=plan.target_w,
            increases_allowed=plan.increases_allowed,
            data_age_s=plan.data_age_s,
            decided=self.snapshot.now,
        )

    @property
    def failed(self) -> int:
        """How many changes were refused, got no answer, were stopped at the door or not tried for lack of time."""
        return len(self.decided) - sum(result.outcome is Outcome.SENT for result in self.results)

    @property
    def expected_w(self) -> float:
        """What the managed miners count with after what has been sent so far (W)."""
        return self.plan.current_w + moved_w(self.results)

    def note(self) -> str:
        """One sentence for the dashboard: the reason, and what became of it."""
        reason = self.plan.reason.rstrip(".")
        if not self.decided:
            return reason
        done = len(self.decided) - self.failed
        return f"{reason}. {done} of {len(self.decided)} changes taken on"


def a_second_each(cuts: Sequence[PresetChange], pace_w_per_s: float) -> Iterator[list[PresetChange]]:
    """Yield the cuts in their order, as many together as one second of the pace allows, at least one."""
    group: list[PresetChange] = []
    for cut in cuts:
        if group and freed_w([*group, cut]) > pace_w_per_s + ROUNDING_W:
            yield group
            group = []
        group.append(cut)
    if group:
        yield group


def freed_w(cuts: Iterable[PresetChange]) -> float:
    """Return what these cuts free once they are taken on (W)."""
    return -sum(cut.delta_w for cut in cuts)


def moved_w(results: Iterable[Result]) -> float:
    """Return by how much these changes move the accounted power: raises once they may have been heard, cuts once they
    were taken on (W).
    """
    total_w = 0.0
    for result in results:
        delta_w = result.change.delta_w
        counts = result.effective if delta_w < 0 else result.outcome in (Outcome.SENT, Outcome.UNKNOWN)
        total_w += delta_w if counts else 0.0
    return total_w


def affordable(plan: Plan, raises: Sequence[PresetChange], results: Sequence[Result]) -> list[PresetChange]:
    """Return the raises that still fit under the target after what the cuts really gave; an operator's always."""
    room_w = plan.target_w - plan.current_w - moved_w(results) + ROUNDING_W
    fitting: list[PresetChange] = []
    for change in raises:
        if change.origin is Origin.OPERATOR or change.delta_w <= room_w:
            room_w -= max(0.0, change.delta_w)
            fitting.append(change)
    return fitting


def follow_up(snapshot: Snapshot, plan: Plan, results: Sequence[Result], now: Stamp) -> Snapshot:
    """Return the picture for a second look in the same cycle: cuts only, with what `results` taught.

    What a miner took on is a change on its way; what it did not take is a failed one, and that miner is left alone for
    the rest of the cycle. Everything else is as it was: nothing is read again.
    """
    passed_s = snapshot.now.elapsed_s(now)
    by_miner = {result.change.miner_id: result for result in results}
    miners = tuple(
        miner if (result := by_miner.get(miner.id)) is None else _after(miner, result, snapshot.settings.cooldown_s)
        for miner in snapshot.miners
    )
    plant = snapshot.plant
    if plant is not None:
        plant = replace(plant, age_s=plant.age_s + passed_s, is_new=False)
    return replace(
        snapshot,
        now=now,
        miners=miners,
        plant=plant,
        memory=plan.memory,
        uptime_s=snapshot.uptime_s + passed_s,
        cut_last_interval_w=snapshot.cut_last_interval_w - min(0.0, moved_w(results)),
        cuts_only=True,
    )


def _after(miner: MinerView, result: Result, cooldown_s: float) -> MinerView:
    if result.ending is None:
        return replace(miner, failed_this_cycle=True)
    change = result.change
    view = ChangeView(
        kind=change.kind,
        old_preset=change.old_preset,
        new_preset=change.new_preset,
        old_power_w=change.old_power_w,
        new_power_w=change.new_power_w,
        outcome=result.ending.outcome,
        age_s=0.0,
        effective=result.effective,
        attempt=result.ending.intent.attempt,
        finished_age_s=0.0 if result.ending.outcome is Outcome.FAILED else None,
        origin=change.origin,
    )
    return replace(
        miner,
        last_change=view,
        cooldown_left_s=cooldown_s,
        stopped_by_us=miner.stopped_by_us or (change.kind is ChangeKind.STOP and view.outcome is not Outcome.FAILED),
        failed_this_cycle=not result.effective,
    )
