"""The hard limits of SPEC 5, written anew from its sentences: nothing of app.core.limits or ladder is called."""

from __future__ import annotations

from app.core.types import ChangeKind, MinerView, Mode, Origin, Plan, PresetChange, Snapshot


def broken_limits(plan: Plan, snapshot: Snapshot, *, armed: bool = True) -> list[str]:
    """Return a sentence for each hard limit that the plan breaks. `armed`: changes of other modes are not sent."""
    by_id = {miner.id: miner for miner in snapshot.miners}
    found = []
    if len({planned.miner_id for planned in plan.changes}) != len(plan.changes):
        found.append("two changes on one miner")
    for planned in plan.changes:
        view = by_id[planned.miner_id]
        sentences = _who(planned, view) + _when(planned, view) + _what(planned, view) + _more(planned, view, snapshot)
        found += [f"{planned.mac} {planned.kind} {planned.old_preset}->{planned.new_preset}: {s}" for s in sentences]
    if armed and snapshot.settings.mode is not Mode.ARMED and plan.send:
        found.append("sends although the mode is not armed")
    return found


def _who(planned: PresetChange, view: MinerView) -> list[str]:
    found = []
    if view.model_alias is None:
        found.append("unknown model")
    if view.max_preset_w is None:
        found.append("no max preset")
    if not view.identified or view.retired:
        found.append("not identified or retired")
    if planned.origin is Origin.BALANCER and (not view.managed or view.held):
        found.append("automatic change on an unmanaged or held miner")
    if not (view.managed or view.held):
        found.append("neither managed nor held")
    return found


def _when(planned: PresetChange, view: MinerView) -> list[str]:
    if planned.kind is ChangeKind.STOP:
        return []
    too_soon = view.last_change is not None and view.last_change.age_s < 30
    return ["cooldown"] if too_soon or view.cooldown_left_s > 0 else []


def _what(planned: PresetChange, view: MinerView) -> list[str]:
    if planned.kind is ChangeKind.STOP:
        return []
    chosen = {p.name: p for p in view.ladder.presets}.get(planned.new_preset or "")
    if chosen is None:
        return ["a preset that is not in the ladder"]
    found = []
    if chosen.name.lower() == "disabled":
        found.append("disabled")
    if chosen.firmware_power_w is None:
        found.append("unknown watts")
    elif view.max_preset_w is not None and chosen.firmware_power_w > view.max_preset_w:
        found.append("above the max preset")
    if chosen.modded_psu_required and not view.allow_modded_psu:
        found.append("needs a modified power supply")
    if planned.kind is ChangeKind.START and not view.stopped_by_us:
        found.append("starts what PowerHive did not stop")
    return found


def _more(planned: PresetChange, view: MinerView, snapshot: Snapshot) -> list[str]:
    """Limit 5, by the accounted watts and by the firmware's of the preset that the miner is known to run."""
    if planned.origin is Origin.OPERATOR or planned.kind is ChangeKind.STOP or raises_allowed(snapshot):
        return []
    if planned.kind is ChangeKind.START:
        return ["a start on doubtful data"]
    found = []
    if planned.new_power_w > planned.old_power_w:
        found.append("an accounted increase on doubtful data")
    watts = {p.name: p.firmware_power_w for p in view.ladder.presets}
    new_w, old_w = watts.get(planned.new_preset or ""), watts.get(planned.old_preset or "")
    if new_w is not None and old_w is not None and new_w > old_w:
        found.append("an increase by the firmware's watts on doubtful data")
    return found


def raises_allowed(snapshot: Snapshot) -> bool:
    """Whether SPEC 3 and 5.5 allow an increase at all."""
    plant = snapshot.plant
    return (
        plant is not None
        and plant.age_s <= snapshot.settings.stale_after_s
        and plant.frozen_s < 600
        and not plant.generation_doubtful
        and not plant.over_generation_twice
        and not plant.contradicted
        and snapshot.fresh_since_start
        and snapshot.polled_since_start
    )
