"""How presets are chosen: the policy interface, the classic `stepwise` rule, and the direct cuts of an emergency.

A policy sees candidates that may be moved and watts to shed or to use; it returns moves and decides nothing else:
modes, ages, limits and ramps are `plan`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.core.readings import Preset
from app.core.types import MinerView


@dataclass(frozen=True, slots=True)
class Step:
    """One preset a miner may go to (None: a stop), and what it would count with there (W, wall factor included)."""

    preset: Preset | None
    power_w: float

    @property
    def name(self) -> str:
        return "stop" if self.preset is None else self.preset.name


@dataclass(slots=True)
class Candidate:
    """A miner that may be moved now. `lower`: steps down, highest first; `higher`: steps up, lowest first.

    `stop`: stopping it, where that is one more choice. For a stopped miner `higher` is its start.
    Never changed, but not frozen: made for every miner in every cycle, and a frozen one takes three times as long.
    """

    miner: MinerView
    power_w: float  # accounted
    preset: str | None  # the preset that stands for it
    expected_ths: float  # of that preset; 0 where unknown
    lower: tuple[Step, ...] = ()
    higher: tuple[Step, ...] = ()
    stop: Step | None = None

    @property
    def w_per_ths(self) -> float:
        """Accounted power over expected hashrate (W/TH): a restarting miner at 0 TH is not inefficient."""
        return self.power_w / self.expected_ths if self.expected_ths > 0 else float("inf")

    @property
    def most_w(self) -> float:
        """The watts its lowest step frees."""
        return self.power_w - self.lower[-1].power_w if self.lower else 0.0


@dataclass(slots=True)
class Move:
    """Where a miner goes, and why. Never changed; not frozen for the same reason."""

    candidate: Candidate
    step: Step
    reason: str

    @property
    def delta_w(self) -> float:
        return self.step.power_w - self.candidate.power_w


class Policy(Protocol):
    """What `plan` asks of a policy. Both answers may fall short; neither may exceed.

    `reduce` frees at least `need_w` where it can, overshooting by less than one preset step. `increase` uses at most
    `room_w` and stops within `tolerance_w` of it.
    """

    def reduce(self, candidates: Sequence[Candidate], need_w: float) -> list[Move]: ...

    def increase(self, candidates: Sequence[Candidate], room_w: float, tolerance_w: float) -> list[Move]: ...


class Stepwise:
    """The classic rule, literally (SPEC 6): sort by W/TH, each miner moves at most one preset per cycle."""

    def reduce(self, candidates: Sequence[Candidate], need_w: float) -> list[Move]:
        """The least efficient first, one preset down each."""
        moves: list[Move] = []
        for candidate in sorted(candidates, key=lambda c: (-c.w_per_ths, c.miner.mac)):
            if need_w <= 0:
                break
            if candidate.lower:
                move = _move(candidate, candidate.lower[0], "least efficient first")
                moves.append(move)
                need_w += move.delta_w
        return moves

    def increase(self, candidates: Sequence[Candidate], room_w: float, tolerance_w: float) -> list[Move]:
        """The most efficient first, one preset up each; a step that would pass the target is passed over."""
        moves: list[Move] = []
        for candidate in sorted(candidates, key=lambda c: (c.w_per_ths, c.miner.mac)):
            if room_w <= tolerance_w:
                break
            if candidate.higher and candidate.higher[0].power_w - candidate.power_w <= room_w:
                move = _move(candidate, candidate.higher[0], "most efficient first")
                moves.append(move)
                room_w -= move.delta_w
        return moves


def cut_directly(candidates: Sequence[Candidate], need_w: float) -> list[Move]:
    """Return direct cuts for an emergency: several presets at once, the largest first, until `need_w` is freed.

    The last one goes only as far down as is needed, so that the overshoot stays below one preset step.
    """
    moves: list[Move] = []
    for candidate in sorted(candidates, key=lambda c: (-c.most_w, c.miner.mac)):
        if need_w <= 0:
            break
        if not candidate.lower:
            continue
        enough = [step for step in candidate.lower if candidate.power_w - step.power_w >= need_w]
        move = _move(candidate, enough[0] if enough else candidate.lower[-1], "emergency, largest first")
        moves.append(move)
        need_w += move.delta_w
    return moves


def _move(candidate: Candidate, step: Step, why: str) -> Move:
    old = candidate.preset or "unknown preset"
    verb = "frees" if step.power_w < candidate.power_w else "takes"
    watts = abs(step.power_w - candidate.power_w)
    efficiency = f"{candidate.w_per_ths:.1f} W/TH" if candidate.expected_ths > 0 else "efficiency unknown"
    return Move(candidate, step, f"{old} -> {step.name}: {verb} {watts:,.0f} W ({efficiency}, {why})")


POLICIES: dict[str, Policy] = {"stepwise": Stepwise()}
