"""Presets in order, and which of them may be chosen on a miner."""

from __future__ import annotations

from collections.abc import Iterable

from app.core.memo import Memo
from app.core.readings import Ladder, Preset
from app.core.types import MinerView, UntunedUse

DISABLED = "disabled"  # the firmware's name for manual clocks: unknown watts, never chosen (CONTRACT 4)
OWN_POWER_W = (0, 100_000)  # what an operator may say of a preset; 0 is none of his own
OWN_HASHRATE_THS = (0, 100_000)


def build(presets: Iterable[Preset]) -> Ladder:
    """Return the presets by firmware watts, unknown watts last; a name that comes twice counts once.

    Of two with one name the first with known watts stays.
    """
    by_name: dict[str, Preset] = {}
    for preset in presets:
        known = by_name.get(preset.name)
        if known is None or (known.firmware_power_w is None and preset.firmware_power_w is not None):
            by_name[preset.name] = preset
    return Ladder(tuple(sorted(by_name.values(), key=_rank)))


def _rank(preset: Preset) -> tuple[bool, int, str]:
    return preset.firmware_power_w is None, preset.firmware_power_w or 0, preset.name


def forbidden(preset: Preset | None, miner: MinerView) -> str | None:
    """Return why `preset` may never be sent to `miner` (SPEC 5.1 and 5.4), or None.

    Judged by the firmware's own watts, never by edited or learned ones.
    """
    model = miner.model_alias or "this model"
    if miner.max_preset_w is None:
        return f"no max preset is set for {model}: its miners are not touched"
    if preset is None:
        return "the preset is not in this miner's ladder"
    if preset.name.casefold() == DISABLED:
        return "'disabled' means manual clocks with unknown watts"
    if preset.firmware_power_w is None:
        return f"the watts of preset {preset.name} are unknown"
    if preset.modded_psu_required and not miner.allow_modded_psu:
        return f"preset {preset.name} needs a modified power supply"
    if preset.firmware_power_w > miner.max_preset_w:
        return f"preset {preset.name} is above the max preset {miner.max_preset} of {model}"
    return None


def allowed(miner: MinerView) -> tuple[Preset, ...]:
    """Return every preset the hard limits permit on this miner, lowest firmware watts first."""
    return tuple(preset for preset in miner.ladder.presets if forbidden(preset, miner) is None)


def choices(miner: MinerView) -> tuple[Preset, ...]:
    """Return the presets that may be chosen by itself: the allowed ones, untuned ones only as the model says."""
    permitted = allowed(miner)
    if miner.untuned_use is UntunedUse.ALWAYS:
        return permitted
    tuned = tuple(preset for preset in permitted if preset.tuned)
    if miner.untuned_use is UntunedUse.NEVER or len(tuned) >= 2:
        return tuned
    return permitted


def lowest(miner: MinerView) -> Preset | None:
    """Return the choice with the fewest firmware watts, or None where there is none.

    Not the one that an operator's own number makes look the lowest: that may be the top of the ladder.
    """
    key = (id(miner.ladder), miner.max_preset_w, miner.allow_modded_psu, miner.untuned_use)
    found = _lowest.find(key)
    if found is None:
        _lowest.make_room()  # at any time: what is found anew is the ladder's own preset again
        found = _lowest.keep(key, miner.ladder, next(iter(choices(miner)), None))
    return found


_lowest: Memo[Preset | None] = Memo()
