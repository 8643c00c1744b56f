"""The decision of one cycle: `plan(snapshot) -> Plan`, a pure function.

The order is the order of importance: what is above its max preset comes down; what a button ordered; what a lost plant
demands; cuts; and only where none of these moved anything, raises. Every change passes `limits.violation`.
"""

from __future__ import annotations

import math

from app.core import data_age, economic, eligible, policies, river, surplus, wording
from app.core.data_age import DataAge
from app.core.draft import Draft
from app.core.economic import Economic
from app.core.limits import MIN_COOLDOWN_S
from app.core.policies import Candidate, Move
from app.core.readings import MinerState
from app.core.types import (
    BalanceStatus,
    ChangeKind,
    CycleMemory,
    MinerView,
    Mode,
    Origin,
    Override,
    Plan,
    PresetChange,
    Settings,
    Snapshot,
)

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
    memory, raised = surplus.use(draft, age)
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
        candidate = draft.candidate(miner)
        step = eligible.step_below_max(miner, candidate, draft.snapshot.settings)
        why_not = eligible.not_cuttable(miner) or eligible.not_taken(miner, step)
        if why_not is not None or step is None:
            draft.skip(miner, f"above its max preset, but {why_not or 'no lower preset is allowed'}")
            continue
        reason = f"{miner.running_preset} is above the max preset {miner.max_preset}"
        draft.move(candidate, step, reason, above_max=True)


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
    for move in _cuts(draft, need_w, emergency=emergency):
        draft.move(move.candidate, move.step, move.reason)
    if settings.last_resort == "stop" and draft.planned_w > target_w:
        farm_limit_w = math.inf if settings.farm_limit_kw is None else settings.farm_limit_kw * 1000.0
        if farm_limit_w < limit_w:
            _stop_worst(draft, farm_limit_w, target_w, "even the lowest presets exceed the farm limit")
        elif emergency:
            _stop_worst(draft, limit_w, target_w, "even the lowest presets exceed the available power")
    return wording.reduced(draft, target_w, limit_w)


def _cut_above_w(target_w: float, settings: Settings) -> float:
    return river.cut_above_w(target_w, settings) if settings.policy == economic.NAME else settings.tolerance_w


def _cuts(draft: Draft, need_w: float, *, emergency: bool) -> list[Move]:
    """Return the policy's cuts; in an emergency they go all the way at once, and no ramp holds them up."""
    snapshot, settings = draft.snapshot, draft.snapshot.settings
    candidates = _cuttable(draft)
    if not emergency:
        need_w -= 0.0 if settings.policy == economic.NAME else settings.tolerance_w
        need_w = min(need_w, surplus.ramp_down_w(snapshot))
    if settings.policy == economic.NAME:
        return _economic_cuts(draft, candidates, need_w, emergency=emergency)
    if emergency:
        return policies.cut_directly(candidates, need_w)
    return policies.POLICIES[settings.policy].reduce(candidates, need_w)


def _economic_cuts(draft: Draft, candidates: list[Candidate], need_w: float, *, emergency: bool) -> list[Move]:
    """Return the cuts that lose the least; stops among them only for what presets will not give.

    A miner in cooldown will be at its lowest preset within half a minute: that is cheaper than a stop of another. In an
    emergency that is too late where stops are needed anyway.
    """
    policy = Economic(draft.snapshot.settings)
    by_presets = policy.reduce([c for c in candidates if c.lower], need_w)
    missing_w = need_w + sum(move.delta_w for move in by_presets)
    soon_w = sum(max(0.0, draft.books.accounts[m.id].power_w - draft.lowest_w(m)) for m in draft.unmoved() if _cools(m))
    if missing_w <= soon_w or not surplus.may_stop_for_value(draft):
        return by_presets
    need_w -= 0.0 if emergency else soon_w
    return policy.reduce([draft.stoppable(c.miner) for c in candidates], need_w)


def _cools(miner: MinerView) -> bool:
    return 0.0 < miner.cooldown_left_s <= MIN_COOLDOWN_S


def _cuttable(draft: Draft) -> list[Candidate]:
    found: list[Candidate] = []
    stops = surplus.may_stop_for_value(draft)
    for miner in draft.unmoved():
        why_not = eligible.not_cuttable(miner)
        candidate = draft.candidate(miner) if why_not is None else None
        if candidate is not None and (candidate.lower or (stops and draft.stoppable(miner).stop is not None)):
            found.append(candidate)
        else:
            draft.skip(miner, why_not or eligible.no_lower(miner))
    return found


def _stop_worst(draft: Draft, limit_w: float, target_w: float, reason: str) -> None:
    """When even the lowest presets exceed `limit_w`, stop the worst miners until the target would be met.

    A miner in cooldown counts with its lowest preset where it will be there within half a minute: that is cheaper than
    a stop. One that cannot be cut for longer, or not at all, counts in full.
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
        if miner.cooldown_left_s > MIN_COOLDOWN_S:
            lowest_w = draft.books.accounts[miner.id].power_w
        floor_w += lowest_w
        if eligible.stoppable(miner):
            ths = draft.lowest_ths(miner)
            floors.append((lowest_w / ths if ths else float("inf"), lowest_w, miner.mac, miner))
    if floor_w <= limit_w:
        return
    ramp_w = math.inf if draft.emergency else surplus.ramp_down_w(draft.snapshot)
    for _efficiency, lowest_w, _mac, miner in sorted(floors, key=lambda f: (-f[0], f[2])):
        if floor_w <= target_w or draft.books.current_w - draft.planned_w >= ramp_w:
            return
        draft.stop(miner, reason, Origin.BALANCER)
        floor_w -= lowest_w - draft.stopped_w


def _standing_still(miner: MinerView) -> bool:
    change = miner.change_on_way
    if change is not None and change.kind is ChangeKind.START and miner.silent_s is None:
        return False  # polled as stopped, but about to draw
    stopping = change is not None and change.kind is ChangeKind.STOP and not change.polled_unchanged
    return stopping or miner.silent_s is not None or miner.state in (MinerState.STOPPED, MinerState.SHUTTING_DOWN)


# --- the answer ------------------------------------------------------------------------------------------------------


def _finish(draft: Draft, age: DataAge, reason: str, memory: CycleMemory) -> Plan:
    plant, books = draft.snapshot.plant, draft.books
    reason = reason or wording.on_target(draft)
    cut_capacity_w, raise_room_w = draft.capacity_w()
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
        changes=tuple(sorted(draft.changes.values(), key=_sending_order)),
        skipped=tuple(skip for miner_id, skip in draft.skips.items() if miner_id not in draft.changes),
        accounted={miner_id: account.power_w for miner_id, account in books.accounts.items()},
        remembered=books.remembered,
        memory=memory,
        cut_capacity_w=cut_capacity_w,
        raise_room_w=raise_room_w,
        planned_w=draft.planned_w,
        cut_pace_w_per_s=None if draft.emergency or age.lost else _ramp_w_per_s(draft),
        stays=wording.stays(draft, reason),
    )


def _ramp_w_per_s(draft: Draft) -> float | None:
    ramp_kw_per_s = draft.snapshot.settings.ramp_down_kw_per_s
    return None if ramp_kw_per_s is None else ramp_kw_per_s * 1000.0


def _sending_order(change: PresetChange) -> tuple[bool, bool, bool, float, str]:
    """Cuts first, of them what is above its max preset, then presets before stops, what frees the most before all; then
    starts, then raises, the smallest first.

    Most presets restart their miner, so they take all that it draws at once, as a stop does. And presets for which no
    time is left have to wait for the cooldown of the vain change, which a stop does not need. A start wins more than a
    raise, which loses a restart.
    """
    up = not change.is_cut
    later = change.kind is (ChangeKind.PRESET if up else ChangeKind.STOP)
    return up, not change.above_max, later, change.delta_w, change.mac


def _status(draft: Draft, age: DataAge) -> BalanceStatus:
    current_w, target_w = draft.books.current_w, draft.target_w
    if age.age_s is None:
        return BalanceStatus.NO_DATA
    if age.stale:
        return BalanceStatus.STALE
    if draft.emergency:
        return BalanceStatus.OVER_TARGET  # by the meters, though the accounting may say less
    if current_w <= target_w + draft.snapshot.settings.tolerance_w:
        return BalanceStatus.OK
    if current_w > target_w * OVER_TARGET_SHARE or current_w > draft.books.available_kw * 1000.0:
        return BalanceStatus.OVER_TARGET
    return BalanceStatus.WARNING
