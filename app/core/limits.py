"""The hard limits of SPEC section 5: one function that every change passes, from whomever it comes."""

from __future__ import annotations

from dataclasses import dataclass

from app.core import ladder
from app.core.types import ChangeKind, MinerView, Mode, Origin, PresetChange

MIN_COOLDOWN_S = 30.0  # SPEC 5.3; the setting may only lengthen it


@dataclass(frozen=True, slots=True)
class LimitFacts:
    """What the limits need beside the miner itself.

    `increases_allowed`: the newest reading is fresh and trusted, no meter contradicts its role, and a fresh reading and
    a full status poll have come in since the acting scheduler took over (SPEC 5.5).
    """

    mode: Mode
    increases_allowed: bool


def violation(change: PresetChange, miner: MinerView, facts: LimitFacts) -> str | None:
    """Return the sentence of the first hard limit that `change` would break on `miner`, or None.

    Cuts are never blocked by doubtful facts nor by a change on its way, only by the cooldown; stopping not even by
    that. "Increase" is judged by accounted watts and, for a preset, by the firmware's own watts too.
    """
    return (
        _not_ours(change, miner, facts)
        or _too_soon(change, miner)
        or _forbidden_preset(change, miner)
        or _forbidden_increase(change, miner, facts)
        or _forbidden_start(change, miner)
    )


def _not_ours(change: PresetChange, miner: MinerView, facts: LimitFacts) -> str | None:
    """Limits 1 and 2: who may be touched at all."""
    if not miner.identified:
        return "discovery has not identified a VNish miner at this address"
    if miner.retired:
        return "the miner is retired"
    if miner.model_alias is None:
        return "the miner's model is unknown"
    if miner.max_preset_w is None:
        return ladder.forbidden(None, miner)
    if change.origin is Origin.OPERATOR:
        return None if miner.managed or miner.held else "only managed or held miners can be commanded"
    if facts.mode is not Mode.ARMED:
        return f"the mode is {facts.mode}: nothing is sent automatically"
    if not miner.managed:
        return "the miner is not managed"
    return "the miner is held by an operator" if miner.held else None


def _too_soon(change: PresetChange, miner: MinerView) -> str | None:
    """Limit 3: the cooldown; only stopping is exempt."""
    if change.kind is ChangeKind.STOP:
        return None
    left_s = miner.cooldown_left_s
    if miner.last_change is not None:
        left_s = max(left_s, MIN_COOLDOWN_S - miner.last_change.age_s)
    return f"the last change is too recent: {left_s:.0f} s of cooldown left" if left_s > 0 else None


def _forbidden_preset(change: PresetChange, miner: MinerView) -> str | None:
    """Limits 1 and 4: never above the max preset, never an unknown, manual or modified-supply one."""
    if change.kind is ChangeKind.STOP:
        return None
    return ladder.forbidden(miner.ladder.get(change.new_preset), miner)


def _forbidden_increase(change: PresetChange, miner: MinerView, facts: LimitFacts) -> str | None:
    """Limit 5: no increase without fresh, trusted data. It binds PowerHive, not a person's own command."""
    if facts.increases_allowed or change.origin is Origin.OPERATOR or not is_increase(change, miner):
        return None
    return "no increase without fresh plant data, a fresh reading and a full status poll since the start"


def _forbidden_start(change: PresetChange, miner: MinerView) -> str | None:
    """Limit 7: start only what PowerHive itself stopped."""
    if change.kind is not ChangeKind.START or miner.stopped_by_us:
        return None
    return "PowerHive did not stop this miner, so it must not start it"


def is_increase(change: PresetChange, miner: MinerView) -> bool:
    """Whether `change` could make the miner draw more than it does, by any number known of it.

    Where the present preset is unknown, its accounted power is only a guess (the worst case, perhaps): then only the
    lowest preset is surely no increase. The same holds while a change is on its way: the miner may run its old preset
    as well as its new one, and a cut is surely none only down to the lower of the two.
    """
    if change.kind is ChangeKind.STOP:
        return False
    if change.kind is ChangeKind.START or change.new_power_w > change.old_power_w:
        return True
    new = miner.ladder.get(change.new_preset)
    old = miner.ladder.get(change.old_preset)
    if new is None or new.firmware_power_w is None:
        return True
    if old is None or old.firmware_power_w is None:
        return new != ladder.lowest(miner)
    if new.firmware_power_w > old.firmware_power_w:
        return True
    return new.firmware_power_w > _least_firmware_w(miner, old.firmware_power_w) and new != ladder.lowest(miner)


def _least_firmware_w(miner: MinerView, old_w: int) -> int:
    """Return the lowest firmware watts that the miner may be running by now, `old_w` included."""
    names = [miner.running_preset] if miner.state.hashing else []
    if miner.change_on_way is not None:
        names += [miner.change_on_way.old_preset, miner.change_on_way.new_preset]
    presets = (miner.ladder.get(name) for name in names)
    return min((p.firmware_power_w for p in presets if p is not None and p.firmware_power_w is not None), default=old_w)
