"""What a surplus is used for: starts, raises, exchanges. The second half of `plan`, after all that goes down."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from app.core import economic, eligible, policies, river, wording
from app.core.data_age import DataAge
from app.core.draft import Draft
from app.core.economic import Economic
from app.core.policies import Candidate
from app.core.readings import Stamp
from app.core.types import ChangeKind, CycleMemory, MinerView, Override, Snapshot


def use(draft: Draft, age: DataAge) -> tuple[CycleMemory, str]:
    """Use a surplus that has lasted: first keep room for the stopped miners, then raise the others.

    A cycle that cuts raises nothing, but where a surplus is left all the same it goes on lasting: one miner that keeps
    climbing above its max preset must not keep the farm down.
    """
    snapshot, settings = draft.snapshot, draft.snapshot.settings
    if snapshot.cuts_only:
        return snapshot.memory, ""
    surplus_w = draft.target_w - draft.planned_w
    nothing = _remember_no_surplus(draft)
    if not age.increases_allowed or settings.override is not Override.NONE or age.lost:
        return nothing, wording.waiting(draft, age, surplus_w)
    if surplus_w <= settings.tolerance_w:
        return _reoptimise(draft, nothing, "" if draft.changes else wording.on_target(draft))
    startable = _startable_within(draft, surplus_w)
    memory = _remember(draft, startable, surplus_w)
    if draft.changes:
        return memory, wording.waiting(draft, age, surplus_w)
    memory, reason = _use_surplus(draft, memory, startable, surplus_w)
    if draft.changes and settings.policy == economic.NAME:
        memory = replace(memory, surplus_since=snapshot.now)  # what is left has lasted no longer than this use of it
    return memory, reason


def _remember_no_surplus(draft: Draft) -> CycleMemory:
    """Return what is known whether there is a surplus or not."""
    before, now = draft.snapshot.memory, draft.snapshot.now
    exchanges = draft.snapshot.settings.policy == economic.NAME
    return CycleMemory(draft.books.overhead_kw, reoptimised_at=before.reoptimised_at or now if exchanges else None)


def _remember(draft: Draft, startable: list[MinerView], surplus_w: float) -> CycleMemory:
    """Return since when there has been a surplus, and room for stopped miners, and how much of it all that time."""
    before, now = draft.snapshot.memory, draft.snapshot.now
    memory = replace(_remember_no_surplus(draft), surplus_since=before.surplus_since or now)
    if not startable:
        return memory
    room_w = min(before.restart_room_w, surplus_w)
    least_w = min(draft.lowest_w(miner) for miner in startable) * _room_factor(draft)
    if before.restart_room_since is None or least_w > room_w:
        return replace(memory, restart_room_since=now, restart_room_w=surplus_w)
    return replace(memory, restart_room_since=before.restart_room_since, restart_room_w=room_w)


def _use_surplus(
    draft: Draft, memory: CycleMemory, startable: list[MinerView], surplus_w: float
) -> tuple[CycleMemory, str]:
    snapshot, settings = draft.snapshot, draft.snapshot.settings
    budget_w = min(surplus_w, _ramp_up_w(draft, startable))
    if settings.policy == economic.NAME:
        return _raise_economically(draft, memory, startable, budget_w)
    reserved_w = sum(draft.lowest_w(miner) for miner in startable)
    if _has_lasted(memory.restart_room_since, snapshot, settings.restart_room_lasts_s):
        started_w = _start(draft, _startable_within(draft, memory.restart_room_w), budget_w)
        budget_w -= started_w
        memory = _room_left(draft, memory)
    _note_waiting(draft, startable, f"room for it must last {settings.restart_room_lasts_s} s")
    if not _has_lasted(memory.surplus_since, snapshot, settings.surplus_lasts_s):
        return memory, wording.surplus_lasts(draft, surplus_w, memory.surplus_since or snapshot.now)
    raise_w = min(budget_w, surplus_w - reserved_w)
    ramped = raise_w < surplus_w - reserved_w
    candidates = _raisable(draft)
    policy = policies.POLICIES[settings.policy]
    for move in policy.increase(candidates, raise_w, 0.0 if ramped else settings.tolerance_w):
        draft.move(move.candidate, move.step, move.reason)
    return memory, wording.increased(draft, surplus_w, reserved_w, candidates)


def ramp_down_w(snapshot: Snapshot) -> float:
    """Return what `ramp_down_kw_per_s` lets be cut now: a cycle's part, less what has gone of it (W)."""
    ramp = snapshot.settings.ramp_down_kw_per_s
    return math.inf if ramp is None else max(0.0, ramp * 1000.0 * snapshot.interval_s - snapshot.cut_last_interval_w)


def _ramp_up_w(draft: Draft, startable: Iterable[MinerView] = ()) -> float:
    """Return what `ramp_up_kw_per_min` lets be raised now (W).

    A ramp smaller than any start or raise lets one through once it has been saved up: else it would never let any.
    """
    snapshot, ramp = draft.snapshot, draft.snapshot.settings.ramp_up_kw_per_min
    if ramp is None:
        return math.inf
    left_w = ramp * 1000.0 - snapshot.raised_last_min_w
    if snapshot.raised_last_min_w > 0:
        return left_w
    saved_s = math.inf if snapshot.last_raise_age_s is None else snapshot.last_raise_age_s
    least_w = min((draft.lowest_w(m) * _room_factor(draft) - draft.stopped_w for m in startable), default=math.inf)
    for miner in draft.unmoved():
        if eligible.not_raisable(miner) is None and draft.candidate(miner).higher:
            candidate = draft.candidate(miner)
            least_w = min(least_w, candidate.higher[0].power_w - candidate.power_w)
    return least_w if left_w < least_w < math.inf and least_w <= ramp * 1000.0 * saved_s / 60.0 else left_w


def _room_left(draft: Draft, memory: CycleMemory) -> CycleMemory:
    """Take what was started from the room that has lasted: the rest of it has lasted as long."""
    started_w = sum(change.new_power_w for change in draft.changes.values() if change.kind is ChangeKind.START)
    return replace(memory, restart_room_w=memory.restart_room_w - started_w * _room_factor(draft))


def _note_waiting(draft: Draft, startable: Iterable[MinerView], why: str) -> None:
    for miner in startable:
        if miner.id not in draft.changes and miner.id not in draft.skips:
            draft.skip(miner, f"stopped; {why}")


def _raise_economically(
    draft: Draft, memory: CycleMemory, startable: list[MinerView], budget_w: float
) -> tuple[CycleMemory, str]:
    """Raise and start what the policy finds usable. A start that is worth its watts keeps them until it may be made."""
    snapshot = draft.snapshot
    surplus_w = draft.target_w - draft.planned_w
    usable = river.usable(snapshot, draft.target_w, draft.planned_w, draft.highest_w())
    must_last = river.room_must_last(snapshot, draft.target_w)
    if usable.power_w <= 0:
        _note_waiting(draft, startable, must_last)
        return _reoptimise(draft, memory, wording.with_moves(draft, usable.reason))
    raisable = _raisable(draft)
    room_w = river.restart_room_w(snapshot, draft.target_w, draft.planned_w)
    raises = _economic(draft, memory).increase(
        [*raisable, *(draft.startable(miner) for miner in startable)],
        usable.power_w,
        min(budget_w, usable.power_w),
        usable.step_w,
        room_w,
    )
    _note_waiting(draft, raises.waiting, must_last)
    _note_waiting(draft, raises.later, "its start waits for the ramp, or the step of the next reading")
    if not raises.moves and not raises.waiting:  # room that fits nobody may still let two exchange
        _note_waiting(draft, startable, "its watts win more elsewhere, or wait for the ramp")
        return _reoptimise(draft, memory, wording.increased(draft, surplus_w, 0.0, raisable))
    for move in raises.moves:
        miner = move.candidate.miner
        if not eligible.stopped_by_us(miner):
            draft.move(move.candidate, move.step, move.reason)
        elif move.step.power_w > room_w:
            draft.skip(miner, f"stopped; {must_last}")
        else:
            room_w -= move.step.power_w
            draft.start(miner, move.reason)
    _note_waiting(draft, startable, "its watts win more elsewhere")
    return memory, wording.with_moves(draft, usable.reason)


def _reoptimise(draft: Draft, memory: CycleMemory, reason: str) -> tuple[CycleMemory, str]:
    """Every few minutes, where nothing else is to do: exchange presets inside the band, if that wins enough.

    Stopped miners take part where the river has been what it is for as long as room for a start has to last: else a
    slowly rising one, each kilowatt of which goes to those that run, would leave them stopped for ever. As with raises,
    only so much goes up with one reading; the rest of a large exchange with the next ones.
    """
    snapshot, settings = draft.snapshot, draft.snapshot.settings
    new = snapshot.plant is not None and snapshot.plant.is_new
    due = settings.policy == economic.NAME and _has_lasted(memory.reoptimised_at, snapshot, settings.reoptimise_s)
    if draft.changes or not due or not new:
        return memory, reason
    with_steps = draft.stoppable if may_stop_for_value(draft) else draft.candidate
    settled = [with_steps(miner) for miner in draft.unmoved() if eligible.not_raisable(miner) is None]
    known = [candidate for candidate in settled if candidate.expected_ths > 0]
    startable = _startable_within(draft, math.inf) if river.starts_may_be_exchanged(snapshot) else []
    known += [draft.startable(miner) for miner in startable]
    step_w = _exchange_step_w(draft, known)
    room_w = min(step_w, river.room_inside_w(snapshot, draft.target_w, draft.planned_w))
    up_w, down_w = min(step_w, _ramp_up_w(draft, startable)), min(step_w, ramp_down_w(snapshot))
    whole = _economic(draft, memory).exchange(known, room_w)
    moves = economic.part_of_exchange(whole, room_w, up_w=up_w, down_w=down_w)
    for move in moves:
        if eligible.stopped_by_us(move.candidate.miner):
            draft.start(move.candidate.miner, move.reason)
        else:
            draft.move(move.candidate, move.step, move.reason)
    if len(moves) < len(whole):
        return memory, wording.with_moves(draft, reason)  # the rest with the next readings
    return replace(memory, reoptimised_at=snapshot.now), wording.with_moves(draft, reason)


def _exchange_step_w(draft: Draft, known: Iterable[Candidate]) -> float:
    """Return the most that one reading may exchange (W); who takes no part in it counts with what it draws."""
    fleet_max_w, largest_w = draft.books.current_w, 0.0
    for candidate in known:
        if candidate.higher:
            highest_w = candidate.higher[-1].power_w
            fleet_max_w += highest_w - candidate.power_w
            largest_w = max(largest_w, highest_w)
    return river.most_at_once_w(draft.snapshot.settings, fleet_max_w, largest_w)


def _has_lasted(since: Stamp | None, snapshot: Snapshot, needed_s: float) -> bool:
    return since is not None and since.elapsed_s(snapshot.now) >= needed_s


def _start(draft: Draft, miners: list[MinerView], budget_w: float) -> float:
    """Start as many of `miners` as the budget allows; return what they take in W."""
    started_w = 0.0
    for miner in miners:
        if draft.lowest_w(miner) - draft.books.accounts[miner.id].power_w <= budget_w - started_w:
            started_w += draft.start(miner)
        else:
            draft.skip(miner, "stopped; its start waits for the ramp")
    return started_w


def _room_factor(draft: Draft) -> float:
    return 1.0 + draft.snapshot.settings.restart_room_percent / 100.0


def _raisable(draft: Draft) -> list[Candidate]:
    # Those PowerHive stopped have been given their own reasons: they come back by a start, not by a raise.
    miners = [miner for miner in draft.unmoved() if not eligible.stopped_by_us(miner)]
    found: list[Candidate] = []
    for miner in miners:
        why_not = eligible.not_raisable(miner)
        candidate = draft.candidate(miner) if why_not is None else None
        if candidate is not None and candidate.higher:
            found.append(candidate)
        else:
            draft.skip(miner, why_not or "already at its highest allowed preset")
    return found


def _startable_within(draft: Draft, surplus_w: float) -> list[MinerView]:
    """Return the miners PowerHive stopped that would fit into the surplus with some room to spare, best first."""
    waiting: list[tuple[float, str, MinerView]] = []
    for miner in draft.unmoved():
        if not eligible.stopped_by_us(miner):
            continue
        why_not = eligible.not_startable(miner)
        ths = draft.lowest_ths(miner)
        if why_not is None and ths is not None:
            waiting.append((draft.lowest_w(miner) / ths if ths else float("inf"), miner.mac, miner))
        else:
            draft.skip(miner, f"stopped; {why_not or 'no preset to start with'}")
    fitting: list[MinerView] = []
    factor = _room_factor(draft)
    for _efficiency, _mac, miner in sorted(waiting, key=lambda w: w[:2]):
        if draft.lowest_w(miner) * factor > surplus_w:
            draft.skip(miner, "stopped; no room yet for its lowest preset")
            continue
        surplus_w -= draft.lowest_w(miner) * factor
        fitting.append(miner)
    return fitting


def _economic(draft: Draft, memory: CycleMemory) -> Economic:
    """Return the policy with the horizon that this surplus deserves."""
    since = memory.surplus_since
    lasted_s = 0.0 if since is None else since.elapsed_s(draft.snapshot.now)
    return Economic(river.for_this_river(draft.snapshot, draft.target_w, lasted_s))


def may_stop_for_value(draft: Draft) -> bool:
    """Return whether a stop is one of the choices now: set so, and water has been short for a while."""
    settings = draft.snapshot.settings
    chosen = settings.policy == economic.NAME and settings.last_resort == "stop" and settings.stops_for_value
    return chosen and draft.increases_allowed and river.shortage_has_lasted(draft.snapshot, draft.target_w)
