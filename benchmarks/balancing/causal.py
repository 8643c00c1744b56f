"""What nobody can exceed who does not know the river beforehand: bounds for the noise of the traces.

The fleet is one machine that hashes the most any choice of presets gives for its watts (`Clairvoyant`), and a change of
its power costs the cheapest that any miner's change costs per watt. Both are in the planner's favour, the second by
much: only few changes are so cheap. So what these bounds forbid is forbidden; what they allow may be out of reach.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.balancing.bounds import Clairvoyant
from benchmarks.balancing.fleet import Fleet

READING_S = 15
HELD_S = 2.0  # after a reading a cut has its full effect so late: until then the farm still hashes as before
LEVELS, NOISES, DEEPEST = 241, 61, 4.0  # of the grid; how many standard deviations the noise goes to
EXACT, ROUNDS = 2e-5, 500


@dataclass(frozen=True)
class Noise:
    """Around `middle_w`, of a standard deviation of `deviation` of it, that forgets itself within `over_s`."""

    middle_w: float
    deviation: float
    over_s: float


@dataclass(frozen=True)
class Prices:
    """The least hashrate a change of power loses (TH/s x s per W)."""

    up: float
    down: float


def cheapest(farm: Fleet, loss_s: float) -> Prices:
    """Return the cheapest price of a watt that any miner's change has."""
    up, down = math.inf, math.inf
    for i in range(farm.size):
        watts, ths = farm.watts(i), farm.ths(i)
        apart_w = watts[None, :] - watts[:, None]  # from row to column
        lost = loss_s * np.broadcast_to(ths, apart_w.shape)
        up = min(up, float((lost[apart_w > 0] / apart_w[apart_w > 0]).min()))
        down = min(down, float((lost[apart_w < 0] / -apart_w[apart_w < 0]).min()))
    return Prices(up, down)


def most_share(farm: Fleet, noise: Noise, prices: Prices, band: float) -> float:
    """Return the most a causal planner hashes on average, in % of the clairvoyant bound without switching cost.

    It knows the noise's statistics and the reading, which says all there is to know of an AR(1). With each reading it
    comes to stand at most `band` (a share) above it. Average-reward dynamic programming over (reading, power); grids
    are rounded in its favour. The upper end of the last round's bracket, a bound whether it has converged or not.
    """
    depth = np.linspace(-DEEPEST, DEEPEST, NOISES)
    keep, cell = math.exp(-READING_S / noise.over_s), depth[1] - depth[0]
    edges = np.concatenate([[-np.inf], (depth[1:] + depth[:-1]) / 2.0, [np.inf]])
    goes_to = np.diff(_below((edges[None, :] - keep * depth[:, None]) / math.sqrt(1.0 - keep**2)), axis=1)
    is_at = np.diff(_below(edges))
    value = Clairvoyant(farm)
    free_ths = float(value.ths(noise.middle_w * (1.0 + noise.deviation * depth)) @ is_at)
    reach = (DEEPEST + 1.0) * noise.deviation
    level_w = noise.middle_w * np.linspace(1.0 - reach, 1.0 + reach, LEVELS)
    ths = value.ths(level_w)
    highest_w = noise.middle_w * (1.0 + noise.deviation * (depth + cell / 2.0)) * (1.0 + band) + level_w[1] - level_w[0]
    apart_w = level_w[None, :] - level_w[:, None]  # from row to column
    won = READING_S * ths[None, :] + HELD_S * np.maximum(0.0, ths[:, None] - ths[None, :])
    won -= np.where(apart_w > 0, prices.up * apart_w, -prices.down * apart_w)
    forbidden = np.where(level_w[None, :] > highest_w[:, None], -np.inf, 0.0)
    forbidden[:, 0] = 0.0
    worth = gained = np.zeros((NOISES, LEVELS))
    for _ in range(ROUNDS):
        coming = goes_to @ worth + forbidden
        after = np.stack([(won + coming[k]).max(axis=1) for k in range(NOISES)])
        gained = after - worth
        worth = after - after.max()
        if gained.max() - gained.min() < EXACT * READING_S * free_ths:
            break
    return 100.0 * float(gained.max()) / READING_S / free_ths


def _below(deviations: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.vectorize(math.erf)(deviations / math.sqrt(2.0)))


def share_by_the_rule(
    farm: Fleet, budget_w: np.ndarray, prices: Prices, *, window: int, band: float, least: float, tolerance_w: float
) -> float:
    """Return what the issue's rule of when to cut and to raise would give on this trace, at these prices of a watt (%).

    Cut to the target when above it by more than the band; raise to the lowest of the last `window` readings when that
    is more than `least` (of the fleet's maximum) away. The fleet is always composed in the best way, for nothing.
    """
    value = Clairvoyant(farm)
    readings = np.concatenate([np.full(window, budget_w[0]), budget_w[::READING_S]])
    stands_w, lost, stood_w = float(budget_w[0]), 0.0, []
    for k in range(window, len(readings)):
        target_w, lowest_w = float(readings[k]), float(readings[k - window + 1 : k + 1].min())
        if stands_w > target_w + max(tolerance_w, band * target_w):
            lost, stands_w = lost + prices.down * (stands_w - target_w), target_w
        elif lowest_w - stands_w >= max(tolerance_w, least * farm.max_w):
            lost, stands_w = lost + prices.up * (lowest_w - stands_w), lowest_w
        stood_w.append(stands_w)
    hashed = READING_S * float(value.ths(np.array(stood_w)).sum()) - lost
    return 100.0 * hashed / (READING_S * len(stood_w)) / float(value.ths(budget_w).mean())
