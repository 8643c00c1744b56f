"""The hard limits of SPEC section 5: one function that every change passes, from whomever it comes."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.types import ChangeKind, MinerView, Mode, Origin, PresetChange


@dataclass(frozen=True, slots=True)
class LimitFacts:
    """What the limits need beside the miner itself.

    `increases_allowed`: the newest reading is fresh and trusted, and a fresh reading and a full status poll have come
    in since the acting scheduler took over (SPEC 5.5).
    """

    mode: Mode
    increases_allowed: bool


def violation(change: PresetChange, miner: MinerView, facts: LimitFacts) -> str | None:
    """Return the sentence of the first hard limit that `change` would break on `miner`, or None.

    Cuts are never blocked by doubtful facts nor by a change on its way, only by the cooldown; stopping not even by
    that. "Increase" is judged by accounted watts and, for a preset, by the firmware's own watts too.
    """
    raise NotImplementedError
