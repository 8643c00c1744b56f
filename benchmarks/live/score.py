"""What a live run was worth: from the simulator's own truth of each second, not from PowerHive's accounts.

Words, exact:
- *available*: what the miners may draw at the very most: the generation less all other load and less the overhead
  that their meter sees above them.
- *budget*: the target, i.e. available less the safety margin; where even the lowest presets exceed the target, but not
  what is available, it is those (SPEC 6: miners are stopped only above what is available).
- *band*: max(500 W, 0.5 % of the target) above the budget.
- *overload*: seconds in which the miners drew more than available.
- *credit*: all of the hashrate while the miners drew at most budget + band; above that, up to available, the share of
  it that (budget + band) is of what they drew; in overload none.
- *bound*: the most that could be hashed on the budget of each second by a planner that knows every miner's true watts
  and TH/s, reaches every miner, and to whom switching costs nothing. `off anywhere`: it may also switch miners off
  where that pays, and not only where even the lowest presets exceed what is available.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.balancing.bounds import Clairvoyant

BAND_W, BAND_SHARE = 500.0, 0.005
WS_PER_KWH = 3.6e6


class Sample(NamedTuple):
    """One second of truth. `settled_*`: what the presets that run would draw and hash once no miner is coming up."""

    at_s: float  # since the end of the warm-up
    generation_kw: float
    drawn_w: float
    hashrate_ths: float
    settled_w: float
    settled_ths: float


@dataclass(frozen=True)
class TrueFarm:
    """What each miner really draws and hashes on the presets it may be given, ascending; `Clairvoyant`'s farm."""

    steps: Sequence[Sequence[tuple[float, float]]]  # by miner: (W, TH/s)

    @property
    def size(self) -> int:
        return len(self.steps)

    def watts(self, number: int) -> np.ndarray:
        return np.array([power_w for power_w, _ in self.steps[number]])

    def ths(self, number: int) -> np.ndarray:
        return np.array([hashrate_ths for _, hashrate_ths in self.steps[number]])

    @property
    def floor_w(self) -> float:
        return sum(ladder[0][0] for ladder in self.steps)

    @property
    def max_w(self) -> float:
        return sum(ladder[-1][0] for ladder in self.steps)


@dataclass(frozen=True)
class Load:
    """What takes of the generation before and beside the miners. `overhead_share`: of the miners' own draw."""

    other_kw: float
    overhead_share: float
    margin_percent: float

    def generation_kw(self, target_w: float) -> float:
        """Return the generation at which a farm that draws `target_w` is exactly at its target."""
        available_w = target_w / (1.0 - self.margin_percent / 100.0)
        return (available_w + self.overhead_share * target_w) / 1000.0 + self.other_kw

    def available_w(self, generation_kw: np.ndarray) -> np.ndarray:
        """Return the draw of the miners at which nothing at all is left."""
        return (generation_kw - self.other_kw) * 1000.0 / (1.0 + self.overhead_share)

    def target_w(self, generation_kw: np.ndarray) -> np.ndarray:
        """Return the draw of the miners that is exactly the target."""
        margin = 1.0 - self.margin_percent / 100.0
        return np.maximum(margin * (generation_kw - self.other_kw) * 1000.0 / (1.0 + margin * self.overhead_share), 0.0)


@dataclass(frozen=True)
class Limits:
    """What the miners may draw in each second (W): `most_w` is the budget and its band."""

    target_w: np.ndarray
    budget_w: np.ndarray
    most_w: np.ndarray
    available_w: np.ndarray


def limits(generation_kw: np.ndarray, farm: TrueFarm, load: Load) -> Limits:
    """Return what that generation allows the farm."""
    available_w, target_w = load.available_w(generation_kw), load.target_w(generation_kw)
    budget_w = np.where(farm.floor_w <= available_w, np.maximum(target_w, farm.floor_w), target_w)
    return Limits(target_w, budget_w, budget_w + np.maximum(BAND_W, BAND_SHARE * target_w), available_w)


@dataclass(frozen=True)
class Score:
    """Of one run. The losses are what is missing to 100, in % of the bound, and add up with `share` to 100:

    `lost_switching`: presets that run, but miners that were still coming up. `lost_unused`: watts of the budget that no
    preset had been chosen for. `lost_allocation`: presets that are not the best for their watts. `lost_above`: in
    seconds above budget + band.
    """

    share: float
    share_off: float
    above_target_kwh: float
    above_available_kwh: float
    overload_s: float
    reached_s: list[float | None]  # for each fall: seconds to budget + band, None: not within the run
    longest_above_s: float
    lost_switching: float
    lost_unused: float
    lost_allocation: float
    lost_above: float


def score(samples: Sequence[Sample], farm: TrueFarm, load: Load, falls_s: Sequence[float]) -> Score:
    """Return what the run was worth; a sample stands for the time until the next one."""
    at_s, generation_kw, drawn_w, ths, settled_w, settled_ths = np.array(samples, float).T
    lasts_s = np.diff(at_s, append=2 * at_s[-1] - at_s[-2])
    allowed = limits(generation_kw, farm, load)
    budget_w, most_w, available_w = allowed.budget_w, allowed.most_w, allowed.available_w
    above = drawn_w > most_w
    credit = np.where(drawn_w > available_w, 0.0, np.where(above, ths * most_w / np.maximum(drawn_w, 1.0), ths))
    best = Clairvoyant(farm)
    bound, settled_bound = best.ths(budget_w), best.ths(settled_w)

    def percent(hashrate_ths: np.ndarray) -> float:
        return float(100.0 * (hashrate_ths * lasts_s).sum() / (bound * lasts_s).sum())

    return Score(
        share=percent(credit),
        share_off=percent(credit) * float(
            (bound * lasts_s).sum() / (Clairvoyant(farm, anywhere=True).ths(budget_w) * lasts_s).sum()
        ),
        above_target_kwh=_kwh(drawn_w - most_w, lasts_s),
        above_available_kwh=_kwh(drawn_w - available_w, lasts_s),
        overload_s=float(lasts_s[drawn_w > available_w].sum()),
        reached_s=[_seconds_to(at_s, ~above, fall) for fall in falls_s],
        longest_above_s=_longest(above, lasts_s),
        lost_switching=percent(np.where(above, 0.0, settled_ths - ths)),
        lost_unused=percent(np.where(above, 0.0, bound - settled_bound)),
        lost_allocation=percent(np.where(above, 0.0, settled_bound - settled_ths)),
        lost_above=percent(np.where(above, bound - credit, 0.0)),
    )  # fmt: skip


def _kwh(over_w: np.ndarray, lasts_s: np.ndarray) -> float:
    return float((np.maximum(over_w, 0.0) * lasts_s).sum() / WS_PER_KWH)


def _seconds_to(at_s: np.ndarray, within: np.ndarray, fall_s: float) -> float | None:
    found = at_s[(at_s > fall_s + 0.5) & within]  # a sample within that very second may still be from before
    return float(found[0] - fall_s) if len(found) else None


def _longest(above: np.ndarray, lasts_s: np.ndarray) -> float:
    longest = run = 0.0
    for is_above, seconds in zip(above, lasts_s, strict=True):
        run = run + float(seconds) if is_above else 0.0
        longest = max(longest, run)
    return longest
