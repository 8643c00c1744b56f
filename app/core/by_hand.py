"""When a preset by hand is refused already as it is ordered. It is judged again when it is carried out."""

from __future__ import annotations

from app.core import limits
from app.core.limits import LimitFacts
from app.core.types import ChangeKind, MinerView, Mode, Origin, PresetChange


def objection(miner: MinerView, preset: str, mode: Mode, *, keeps: bool) -> str | None:
    """Return the sentence of the rule that an order for `preset` would break now, or None.

    Beside the hard limits (SPEC 5): an armed balancer decides the preset of a miner that it manages, so a preset by
    hand would last one cycle. `keeps`: the order itself holds the miner.
    """
    wanted = PresetChange(
        miner_id=miner.id,
        mac=miner.mac,
        kind=ChangeKind.PRESET,
        old_preset=miner.running_preset,
        new_preset=preset,
        old_power_w=0.0,  # no limit on a person's own order looks at accounted watts
        new_power_w=0.0,
        reason="",
        origin=Origin.OPERATOR,
    )
    broken = limits.violation(wanted, miner, LimitFacts(mode=mode, increases_allowed=False))
    if broken is not None:
        return broken
    if mode is Mode.ARMED and miner.managed and not miner.held and not keeps:
        return "the mode is armed and the balance decides this miner's preset; hold it (hold_minutes) to keep yours"
    return None
