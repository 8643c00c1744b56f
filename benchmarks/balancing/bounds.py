"""What cannot be beaten: the most a fleet could hash within a budget by one who knows the river beforehand.

`Clairvoyant`: switching costs nothing (a linear program over the ladders' hulls, solved by sorting). `foresight_ths`: a
switch costs what it costs. Both count a miner with the power of its preset, as every policy here does.
"""

from __future__ import annotations

import itertools

import numpy as np

from benchmarks.balancing.fleet import LADDERS, OFF_W, Fleet

ROUNDS = 80  # of the search for prices
STEP, PATIENCE = 0.01, 6  # it tries to come so much below its best bound, and half of that after rounds in vain


def hull(watts: np.ndarray, ths: np.ndarray) -> list[int]:
    """Return the indices of the upper hull of (W, TH/s), ascending."""
    found: list[int] = []
    for i in range(len(watts)):
        while len(found) >= 2:
            a, b = found[-2], found[-1]
            if (ths[b] - ths[a]) * (watts[i] - watts[b]) > (ths[i] - ths[b]) * (watts[b] - watts[a]):
                break
            found.pop()
        found.append(i)
    return found


class Clairvoyant:
    """The most TH/s within a budget at every moment, without any price of switching: the relaxed optimum.

    Miners are switched off only where even the lowest presets exceed the budget (SPEC 6), `anywhere=True`: always.
    """

    def __init__(self, farm: Fleet, *, anywhere: bool = False) -> None:
        self._on = self._curve(farm, off=False)
        self._off = self._curve(farm, off=True)
        self._anywhere = anywhere

    @staticmethod
    def _curve(farm: Fleet, *, off: bool) -> tuple[np.ndarray, np.ndarray]:
        segments: list[tuple[float, float, float]] = []
        base_w = base_ths = 0.0
        for i in range(farm.size):
            watts, ths = farm.watts(i), farm.ths(i)
            if off:
                watts, ths = np.insert(watts, 0, OFF_W), np.insert(ths, 0, 0.0)
            base_w, base_ths = base_w + watts[0], base_ths + ths[0]
            on = hull(watts, ths)
            for a, b in itertools.pairwise(on):
                segments.append(((ths[b] - ths[a]) / (watts[b] - watts[a]), watts[b] - watts[a], ths[b] - ths[a]))
        segments.sort(reverse=True)
        steps = np.array(segments)
        return (np.concatenate([[base_w], base_w + np.cumsum(steps[:, 1])]),
                np.concatenate([[base_ths], base_ths + np.cumsum(steps[:, 2])]))  # fmt: skip

    def ths_per_w(self, budget_w: np.ndarray) -> np.ndarray:
        """Return what one watt more would win."""
        return self.ths(budget_w + 500.0) / 1000.0 - self.ths(budget_w - 500.0) / 1000.0

    def ths(self, budget_w: np.ndarray) -> np.ndarray:
        on, off = np.interp(budget_w, *self._on), np.interp(budget_w, *self._off)
        return np.where((budget_w < self._on[0][0] - 1.0) | self._anywhere, off, on)


def foresight_ths(farm: Fleet, allowed_w: np.ndarray, loss_s: float, step_s: int = 15) -> float:
    """Return the TH/s, summed over all seconds, that nobody can exceed who keeps to a budget (W in each second) and
    loses `loss_s` of a miner's new hashrate with each switch.

    The budget gets a price at each moment; at these prices each miner alone knows its best course (dynamic programming
    over its presets). Any prices give a bound; good ones are found in rounds (the Lagrangian dual, by subgradients).
    """
    whole_w = allowed_w[: len(allowed_w) // step_s * step_s].reshape(-1, step_s)
    budget_w = whole_w.mean(axis=1)
    groups = [
        (np.array([farm.watts(i) for i in members]), np.array([farm.ths(i) for i in members]))
        for alias in LADDERS
        if (members := [i for i, other in enumerate(farm.aliases) if other == alias])
    ]
    free = Clairvoyant(farm)
    may_stop = whole_w.min(axis=1) < farm.floor_w - 1.0
    prices = free.ths_per_w(budget_w)
    best = float(free.ths(budget_w).sum()) * step_s
    step, in_vain = STEP * best, 0
    for _ in range(ROUNDS):
        value, drawn_w = step_s * float(prices @ budget_w), np.zeros(len(budget_w))
        for watts, ths in groups:
            own, own_w = _own_courses(watts, ths, prices, may_stop, loss_s, step_s)
            value, drawn_w = value + own, drawn_w + own_w
        in_vain = 0 if value < best else in_vain + 1
        if in_vain == PATIENCE:
            step, in_vain = step / 2.0, 0
        best = min(best, value)
        over_w = drawn_w - budget_w
        norm = step_s * float(over_w @ over_w)
        if norm == 0:
            break
        prices = np.maximum(0.0, prices + (value - best + step) / norm * over_w)
    return best * len(allowed_w) / (len(budget_w) * step_s)


def _own_courses(
    watts: np.ndarray, ths: np.ndarray, prices: np.ndarray, may_stop: np.ndarray, loss_s: float, step_s: int
) -> tuple[float, np.ndarray]:
    """Return the worth of all these miners' best courses at those prices, and what they draw together in each step."""
    n = len(watts)
    watts, ths = np.hstack([np.full((n, 1), OFF_W), watts]), np.hstack([np.zeros((n, 1)), ths])
    loss = loss_s * ths
    value = np.zeros_like(ths)
    switched = np.empty((len(prices), *ths.shape), bool)
    best_before = np.empty((len(prices), n), np.int8)
    rows = np.arange(n)
    for k, price in enumerate(prices):
        best_before[k] = value.argmax(axis=1)
        changed = value[rows, best_before[k]][:, None] - loss
        switched[k] = changed > value
        value = np.where(switched[k], changed, value) + step_s * (ths - price * watts)
        if not may_stop[k]:
            value[:, 0] = -np.inf
    choice = value.argmax(axis=1)
    worth = float(value[rows, choice].sum())
    drawn_w = np.empty(len(prices))
    for k in range(len(prices) - 1, -1, -1):
        drawn_w[k] = watts[rows, choice].sum()
        choice = np.where(switched[k][rows, choice], best_before[k], choice)
    return worth, drawn_w
