"""The decision of one cycle: `plan(snapshot) -> Plan`, a pure function.

The order is the order of importance: what is above its max preset comes down; what a button ordered; what a lost plant
demands; cuts; and only where none of these moved anything, raises. Every change passes `limits.violation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from app.core import data_age, economic, eligible, policies, wording
from app.core.data_age import DataAge
from app.core.draft import Draft
from app.core.economic import Economic
from app.core.policies import Candidate, Move
from app.core.types import (
    BalanceStatus,
    ChangeKind,
    CycleMemory,
    MinerState,
    MinerView,
    Mode,
    Origin,
    Override,
    Plan,
    Settings,
    Snapshot,
    Stamp,
)

ECONOMIC = "economic"
OVER_TARGET_SHARE = 1.05  # more than this share of the target is OVER_TARGET (SPEC 6)


def plan(snapshot: Snapshot) -> Plan:
    """Decide what this cycle does, with a reason for the farm and for each miner that was passed over."""
    age = data_age.judge(snapshot)
    draft = Draft(snapshot, age)
    settings = snapshot.settings
    reason = ""
    if settings.override is not Override.NONE:
        reason = _carry_out_override(draft)
    if settings.mode is Mode.OFF:
        reason = reason or "The mode is off: nothing is planned"
        return _finish(draft, age, reason, CycleMemory(overhead_kw=draft.books.overhead_kw))
    _bring_below_max(draft)
    if age.lost and settings.override is Override.NONE:
        reason = _act_on_lost_plant(draft) or reason
    cut = _reduce(draft, age)
    reason = cut if cut and (draft.emergency or not reason) else reason
    memory, raised = _increase(draft, age)
    draft.pass_over_untouchable()
    return _finish(draft, age, reason or raised, memory)


# --- down ------------------------------------------------------------------------------------------------------------


def _carry_out_override(draft: Draft) -> str:
    """What a button ordered for the whole farm: an operator's command, so held miners follow it too."""
    if draft.snapshot.settings.override is Override.STOP:
        for miner in draft.managed:
            why_not = eligible.unreachable(miner)
            if why_not is None and eligible.gave_up_stopping(miner):
                why_not = eligible.GAVE_UP
            if why_not is not None:
                draft.skip(miner, why_not)
            elif not _standing_still(miner):
                draft.stop(miner, "stop all, ordered by the operator", Origin.OPERATOR)
        return "Stop all, ordered by the operator, until resume"
    for miner in draft.managed:
        draft.to_lowest(miner, "all to minimum, ordered by the operator", Origin.OPERATOR)
    return "All to minimum, ordered by the operator, until resume"


def _bring_below_max(draft: Draft) -> None:
    """A miner found above its max preset is brought down in this cycle (SPEC 5.6)."""
    for miner in draft.unmoved():
        if not eligible.above_max(miner):
            continue
        why_not = eligible.not_cuttable(miner)
        candidate = draft.candidate(miner)
        step = eligible.step_below_max(miner, candidate, draft.snapshot.settings)
        if why_not is not None or step is None:
            draft.skip(miner, f"above its max preset, but {why_not or 'no lower preset is allowed'}")
            continue
        draft.move(candidate, step, f"{miner.running_preset} is above the max preset {miner.max_preset}")


def _act_on_lost_plant(draft: Draft) -> str:
    action = draft.snapshot.settings.plant_lost_action
    if action == "hold":
        return "The plant is lost; the farm holds its presets, as set"
    for miner in draft.unmoved():
        why_not = eligible.not_cuttable(miner)
        if action == "stop":
            if eligible.stoppable(miner) and not _standing_still(miner):
                draft.stop(miner, "the plant is lost", Origin.BALANCER)
        elif why_not is None:
            draft.to_lowest(miner, "the plant is lost", Origin.BALANCER)
        else:
            draft.skip(miner, why_not)
    return f"The plant is lost: the farm goes to {'a stop' if action == 'stop' else 'its lowest presets'}"


def _reduce(draft: Draft, age: DataAge) -> str:
    """Cut down to the target: the policy's way, or directly in an emergency. Return the reason; "" for none."""
    snapshot, settings = draft.snapshot, draft.snapshot.settings
    if snapshot.plant is None:
        return ""
    limit_w, emergency = draft.emergency_limit_w()
    target_w = min(draft.target_w, limit_w)
    need_w = draft.planned_w - target_w
    left_alone_w = settings.tolerance_w if emergency else _cut_above_w(target_w, settings)
    if need_w <= left_alone_w or (age.lost and settings.plant_lost_action == "hold" and not emergency):
        return ""
    draft.emergency = emergency
    for move in _cuts(_cuttable(draft), need_w, snapshot, emergency=emergency):
        draft.move(move.candidate, move.step, move.reason)
    if emergency and draft.planned_w > target_w and settings.last_resort == "stop":
        _stop_worst(draft, limit_w, target_w)
    return wording.reduced(draft, target_w)


def _cut_above_w(target_w: float, settings: Settings) -> float:
    return economic.cut_above_w(target_w, settings) if settings.policy == ECONOMIC else settings.tolerance_w


def _cuts(candidates: list[Candidate], need_w: float, snapshot: Snapshot, *, emergency: bool) -> list[Move]:
    """Return the policy's cuts; in an emergency they go all the way at once, and no ramp holds them up."""
    settings = snapshot.settings
    if not emergency:
        need_w -= 0.0 if settings.policy == ECONOMIC else settings.tolerance_w
        if settings.ramp_down_kw_per_s is not None:
            need_w = min(need_w, settings.ramp_down_kw_per_s * 1000.0 * snapshot.interval_s)
    if settings.policy == ECONOMIC:
        return Economic(settings).reduce(candidates, need_w)
    if emergency:
        return policies.cut_directly(candidates, need_w)
    return policies.POLICIES[settings.policy].reduce(candidates, need_w)


def _cuttable(draft: Draft) -> list[Candidate]:
    economically = draft.snapshot.settings.policy == ECONOMIC
    return _movable(
        draft.unmoved(),
        draft.stoppable if economically else draft.candidate,
        eligible.not_cuttable,
        lambda found: bool(found.lower) or found.stop is not None,
        lambda miner, why_not: draft.skip(miner, why_not or "already at its lowest preset"),
    )


def _movable(
    miners: Iterable[MinerView],
    candidate_of: Callable[[MinerView], Candidate],
    why_not_of: Callable[[MinerView], str | None],
    has_steps: Callable[[Candidate], bool],
    pass_over: Callable[[MinerView, str | None], None],
) -> list[Candidate]:
    """Return those of `miners` that may be moved and have a step to go; the others are passed over."""
    found: list[Candidate] = []
    for miner in miners:
        why_not = why_not_of(miner)
        candidate = candidate_of(miner) if why_not is None else None
        if candidate is not None and has_steps(candidate):
            found.append(candidate)
        else:
            pass_over(miner, why_not)
    return found


def _stop_worst(draft: Draft, limit_w: float, target_w: float) -> None:
    """When even the lowest presets exceed what is available, stop the worst miners until the target would be met.

    A miner in cooldown counts with its lowest preset: it will be there within half a minute, and that is cheaper than a
    stop. Only one that cannot be cut at all counts in full.
    """
    floors: list[tuple[float, float, str, MinerView]] = []
    floor_w = 0.0
    for miner in draft.managed:
        if draft.stops(miner):
            floor_w += draft.stopped_w
            continue
        if _standing_still(miner):
            floor_w += draft.books.accounts[miner.id].power_w
            continue
        lowest_w = draft.lowest_w(miner)
        floor_w += lowest_w
        if eligible.stoppable(miner):
            ths = draft.lowest_ths(miner)
            floors.append((lowest_w / ths if ths else float("inf"), lowest_w, miner.mac, miner))
    if floor_w <= limit_w:
        return
    for _efficiency, lowest_w, _mac, miner in sorted(floors, key=lambda f: (-f[0], f[2])):
        if floor_w <= target_w:
            return
        draft.stop(miner, "even the lowest presets exceed the available power", Origin.BALANCER)
        floor_w -= lowest_w - draft.stopped_w


def _standing_still(miner: MinerView) -> bool:
    change = miner.change_on_way
    if change is not None and change.kind is ChangeKind.START and miner.silent_s is None:
        return False  # polled as stopped, but about to draw
    stopping = change is not None and change.kind is ChangeKind.STOP and not change.polled_unchanged
    return stopping or miner.silent_s is not None or miner.state in (MinerState.STOPPED, MinerState.SHUTTING_DOWN)


# --- up --------------------------------------------------------------------------------------------------------------


def _increase(draft: Draft, age: DataAge) -> tuple[CycleMemory, str]:
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
        return _reoptimise(draft, nothing, wording.on_target(draft))
    startable = _startable_within(draft, surplus_w)
    memory = _remember(draft, startable, surplus_w)
    if draft.changes:
        return memory, wording.waiting(draft, age, surplus_w)
    return _use_surplus(draft, memory, startable, surplus_w)


def _remember_no_surplus(draft: Draft) -> CycleMemory:
    """Return what is known whether there is a surplus or not."""
    before, now = draft.snapshot.memory, draft.snapshot.now
    exchanges = draft.snapshot.settings.policy == ECONOMIC
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
    budget_w = surplus_w
    if settings.ramp_up_kw_per_min is not None:
        budget_w = min(budget_w, settings.ramp_up_kw_per_min * 1000.0 - snapshot.raised_last_min_w)
    if settings.policy == ECONOMIC:
        return _raise_economically(draft, memory, startable, budget_w)
    reserved_w = sum(draft.lowest_w(miner) for miner in startable)
    if _has_lasted(memory.restart_room_since, snapshot, settings.restart_room_lasts_s):
        started_w = _start(draft, _startable_within(draft, memory.restart_room_w), budget_w)
        budget_w -= started_w
        memory = _room_left(draft, memory)
    _note_waiting(draft, startable, _room_must_last(settings))
    if not _has_lasted(memory.surplus_since, snapshot, settings.surplus_lasts_s):
        return memory, wording.surplus_lasts(draft, surplus_w, memory.surplus_since or snapshot.now)
    raise_w = min(budget_w, surplus_w - reserved_w)
    ramped = raise_w < surplus_w - reserved_w
    candidates = _raisable(draft)
    policy = policies.POLICIES[settings.policy]
    for move in policy.increase(candidates, raise_w, 0.0 if ramped else settings.tolerance_w):
        draft.move(move.candidate, move.step, move.reason)
    return memory, wording.increased(draft, surplus_w, reserved_w, candidates)


def _room_left(draft: Draft, memory: CycleMemory) -> CycleMemory:
    """Take what was started from the room that has lasted: the rest of it has lasted as long."""
    started_w = sum(change.new_power_w for change in draft.changes.values() if change.kind is ChangeKind.START)
    return replace(memory, restart_room_w=memory.restart_room_w - started_w * _room_factor(draft))


def _note_waiting(draft: Draft, startable: Iterable[MinerView], why: str) -> None:
    for miner in startable:
        if miner.id not in draft.changes and miner.id not in draft.skips:
            draft.skip(miner, f"stopped; {why}")


def _room_must_last(settings: Settings) -> str:
    return f"room for it must last {settings.restart_room_lasts_s} s"


def _raise_economically(
    draft: Draft, memory: CycleMemory, startable: list[MinerView], budget_w: float
) -> tuple[CycleMemory, str]:
    """Raise and start what the policy finds usable. A start that is worth its watts keeps them until it may be made."""
    snapshot, settings = draft.snapshot, draft.snapshot.settings
    surplus_w = draft.target_w - draft.planned_w
    usable = economic.usable(snapshot, draft.target_w, draft.planned_w, draft.highest_w())
    if usable.power_w <= 0:
        _note_waiting(draft, startable, _room_must_last(settings))
        return _reoptimise(draft, memory, wording.with_moves(draft, usable.reason))
    raisable = _raisable(draft)
    moves = Economic(settings).increase(
        [*raisable, *(draft.startable(miner) for miner in startable)], usable.power_w, min(budget_w, usable.now_w)
    )
    if not moves:
        _note_waiting(draft, startable, "its watts win more elsewhere, or wait for the ramp")
        return memory, wording.increased(draft, surplus_w, 0.0, raisable)
    room_w = economic.restart_room_w(snapshot, draft.target_w, draft.planned_w)
    for move in moves:
        miner, need_w = move.candidate.miner, move.step.power_w * _room_factor(draft)
        if not eligible.stopped_by_us(miner):
            draft.move(move.candidate, move.step, move.reason)
        elif need_w > room_w:
            draft.skip(miner, f"stopped; {_room_must_last(settings)}")
        else:
            room_w -= need_w
            draft.start(miner, move.reason)
    _note_waiting(draft, startable, "its watts win more elsewhere")
    return memory, wording.with_moves(draft, usable.reason)


def _reoptimise(draft: Draft, memory: CycleMemory, reason: str) -> tuple[CycleMemory, str]:
    """Every few minutes, where nothing else is to do: exchange presets inside the band, if that wins enough."""
    snapshot, settings = draft.snapshot, draft.snapshot.settings
    due = settings.policy == ECONOMIC and _has_lasted(memory.reoptimised_at, snapshot, settings.reoptimise_s)
    if draft.changes or not due:
        return memory, reason
    room_w = min(economic.recent_targets_w(snapshot, draft.target_w, settings.raise_window_readings))
    room_w -= draft.planned_w
    room_w = min(room_w, max(0.0, room_w - settings.tolerance_w))  # the last of a surplus may be a meter's whim
    settled = [draft.stoppable(miner) for miner in draft.unmoved() if eligible.not_raisable(miner) is None]
    moves = Economic(settings).exchange(settled, room_w)
    raised_w = sum(max(0.0, move.delta_w) for move in moves)
    ramp_kw = settings.ramp_up_kw_per_min
    if ramp_kw is not None and raised_w > ramp_kw * 1000.0 - snapshot.raised_last_min_w:
        return memory, reason
    for move in moves:
        draft.move(move.candidate, move.step, move.reason)
    return replace(memory, reoptimised_at=snapshot.now), wording.with_moves(draft, reason)


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
    return _movable(
        miners,
        draft.candidate,
        eligible.not_raisable,
        lambda found: bool(found.higher),
        lambda miner, why_not: draft.skip(miner, why_not or "already at its highest allowed preset"),
    )


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


# --- the answer ------------------------------------------------------------------------------------------------------


def _finish(draft: Draft, age: DataAge, reason: str, memory: CycleMemory) -> Plan:
    plant, books = draft.snapshot.plant, draft.books
    reason = reason or wording.on_target(draft)
    return Plan(
        status=_status(draft, age),
        reason=reason,
        generation_kw=plant.generation_kw if plant else 0.0,
        container_kw=plant.container_kw if plant else 0.0,
        foreign_kw=books.foreign_kw,
        overhead_kw=books.overhead_kw,
        available_kw=books.available_kw,
        target_w=draft.target_w,
        current_w=books.current_w,
        unmanaged_w=books.unmanaged_w,
        delta_w=draft.target_w - books.current_w,
        emergency=draft.emergency,
        increases_allowed=age.increases_allowed,
        send=draft.snapshot.settings.mode is Mode.ARMED,
        data_age_s=age.age_s,
        changes=tuple(sorted(draft.changes.values(), key=lambda c: (c.delta_w, c.mac))),  # the largest cut first
        skipped=tuple(skip for miner_id, skip in draft.skips.items() if miner_id not in draft.changes),
        accounted={miner_id: account.power_w for miner_id, account in books.accounts.items()},
        remembered=books.remembered,
        memory=memory,
        cut_capacity_w=draft.cut_capacity_w(),
        raise_room_w=draft.raise_room_w(),
        planned_w=draft.planned_w,
        stays=wording.stays(draft, reason),
    )


def _status(draft: Draft, age: DataAge) -> BalanceStatus:
    current_w, target_w = draft.books.current_w, draft.target_w
    if age.age_s is None:
        return BalanceStatus.NO_DATA
    if age.stale:
        return BalanceStatus.STALE
    if current_w <= target_w + draft.snapshot.settings.tolerance_w:
        return BalanceStatus.OK
    if current_w > target_w * OVER_TARGET_SHARE or current_w > draft.books.available_kw * 1000.0:
        return BalanceStatus.OVER_TARGET
    return BalanceStatus.WARNING
