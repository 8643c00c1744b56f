"""Fleets of mixed miners with real ladders and a spread of their own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from app.core import ladder
from app.core.readings import Ladder, Preset
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
        return float(self.lowest_w.sum())

    @cached_property
    def lowest_w(self) -> np.ndarray:
        """What each miner draws on its lowest preset."""
        return np.array([float(self.watts(i)[0]) for i in range(self.size)])


def fleet(size: int, seed: int) -> Fleet:
    """Return `size` miners, a third of each model, with 2 % spread of power and 3 % of hashrate."""
    random = np.random.default_rng(seed)
    aliases = [str(alias) for alias in random.choice(list(LADDERS), size)]
    power = np.round(np.clip(random.normal(1.0, 0.02, size), 0.85, 1.15), 3)
    hashrate = np.round(np.clip(random.normal(1.0, 0.03, size), 0.7, 1.15), 3)
    return Fleet(aliases, power, hashrate)
