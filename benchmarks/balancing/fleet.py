"""Fleets of mixed miners with real ladders and a spread of their own, and the most they could hash within a budget."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from app.core import ladder
from app.core.types import Ladder, Preset
from simulator.ladders import MODELS

OFF_W = 30.0
# The S19j Pro of the issue reaches 3850 W; recorded ladders end at 3670. Of it only 1740, 1850, 2000, 3850 lie on its
# hull. 125 TH continues the label's last steps.
MORE = {"s19jpro": ((3850, 125.0),)}


def ladder_of(alias: str) -> Ladder:
    """Return every watt preset of a simulated miner model as tuned, on the stock power supply."""
    steps = [(p.power_w, p.hashrate_ths) for p in MODELS[alias].steps()] + list(MORE.get(alias, ()))
    return ladder.build(Preset(str(watts), watts, ths, tuned=True) for watts, ths in steps)


LADDERS = {alias: ladder_of(alias) for alias in MODELS}
WATTS = {alias: np.array([p.firmware_power_w for p in steps.presets], float) for alias, steps in LADDERS.items()}
THS = {alias: np.array([p.hashrate_ths for p in steps.presets], float) for alias, steps in LADDERS.items()}


@dataclass(frozen=True)
class Fleet:
    """`power`, `hashrate`: what each miner really draws and hashes over what its labels say."""

    aliases: list[str]
    power: np.ndarray
    hashrate: np.ndarray

    @property
    def size(self) -> int:
        return len(self.aliases)

    def watts(self, number: int) -> np.ndarray:
        return WATTS[self.aliases[number]] * self.power[number]

    def ths(self, number: int) -> np.ndarray:
        return THS[self.aliases[number]] * self.hashrate[number]

    @property
    def max_w(self) -> float:
        return sum(float(self.watts(i)[-1]) for i in range(self.size))

    @property
    def floor_w(self) -> float:
        return sum(float(self.watts(i)[0]) for i in range(self.size))


def fleet(size: int, seed: int) -> Fleet:
    """Return `size` miners, a third of each model, with 2 % spread of power and 3 % of hashrate."""
    random = np.random.default_rng(seed)
    aliases = [str(alias) for alias in random.choice(list(LADDERS), size)]
    power = np.round(np.clip(random.normal(1.0, 0.02, size), 0.85, 1.15), 3)
    hashrate = np.round(np.clip(random.normal(1.0, 0.03, size), 0.7, 1.15), 3)
    return Fleet(aliases, power, hashrate)


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

    def ths(self, budget_w: np.ndarray) -> np.ndarray:
        on, off = np.interp(budget_w, *self._on), np.interp(budget_w, *self._off)
        return np.where((budget_w < self._on[0][0]) | self._anywhere, off, on)
