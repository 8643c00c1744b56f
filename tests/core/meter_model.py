"""An hour of a farm as its meters and its miners' own reports show it: presets change, miners restart and ramp.

Open loop and quick: nothing is planned here. `tests/core/metered_farm.py` closes the loop.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from app.core.metering import Draw

HOUR_S = 3600
READING_S = 15.0
REPORTS_AT_S = 8.0  # a cycle knows what the miners reported up to a status interval ago

Load = Callable[[float], float]  # kW at a moment (s)


def steady(kw: float, noise_kw: float = 0.0, seed: int = 1) -> Load:
    """Return a load that only flickers."""
    return lambda at_s: kw + random.Random(f"{seed}/{at_s}").gauss(0.0, noise_kw)


def steps(kw: float, shortest_s: float, longest_s: float, seed: int = 1) -> Load:
    """Return a load that jumps between 0 and `kw` at random moments, like a pump."""
    own = random.Random(f"{seed}/steps")
    at, level = [0.0], [0.0]
    while at[-1] < 2 * HOUR_S:
        at.append(at[-1] + own.uniform(shortest_s, longest_s))
        level.append(kw - level[-1])
    return lambda at_s: level[max(0, bisect_right(at, at_s) - 1)]


@dataclass(frozen=True)
class _Move:
    at_s: float
    kw: float  # of one miner, from then on


class Miners:
    """`count` miners whose presets change every `every_s` or so, a `share` of them each time.

    With `restarts` each change takes 40 s without load and a ramp of 60 s.
    """

    def __init__(
        self, count: int = 40, *, every_s: float = 300.0, share: float = 0.3, restarts: bool = True, seed: int = 1
    ) -> None:
        own = random.Random(seed)
        self.restarts = restarts
        self.moves = [[_Move(-1e6, own.uniform(1.8, 3.3))] for _ in range(count)]
        at_s = own.uniform(60.0, every_s)
        while at_s < 2 * HOUR_S:
            lower = own.random() < 0.5
            for moves in own.sample(self.moves, max(1, round(share * count))):
                factor = own.uniform(0.75, 0.9) if lower else own.uniform(1.1, 1.3)
                moves.append(_Move(at_s, min(3.5, max(1.1, moves[-1].kw * factor))))
            at_s += own.uniform(0.5 * every_s, 1.5 * every_s)

    def kw(self, at_s: float, first: int = 0, beyond: int | None = None) -> float:
        """Return what they really draw, or some of them."""
        return sum(self._one_kw(moves, at_s) for moves in self.moves[first:beyond])

    def accounted_kw(self, at_s: float) -> float:
        """Return what they count with: the new preset at once."""
        return sum(_now(moves, at_s).kw for moves in self.moves)

    def draws(self, until_s: float = HOUR_S, *, of: Load | None = None) -> list[Draw]:
        """Return what the cycles saw of them up to `until_s`."""
        load = of or self.kw
        return [
            Draw(at_s, load(at_s - REPORTS_AT_S), len(self.moves))
            for at_s in (READING_S * number for number in range(1, int(until_s / READING_S) + 2))
        ]

    def _one_kw(self, moves: list[_Move], at_s: float) -> float:
        move = _now(moves, at_s)
        since_s = at_s - move.at_s
        if not self.restarts or since_s > 100.0:
            return move.kw
        return move.kw * max(0.01, (since_s - 40.0) / 60.0)


def _now(moves: list[_Move], at_s: float) -> _Move:
    return next(move for move in reversed(moves) if move.at_s <= at_s)


def read(
    load: Load, until_s: float = HOUR_S, *, late_s: float = 0.0, resolution_kw: float = 0.1
) -> list[tuple[float, float]]:
    """Return the readings of a meter of `load` up to `until_s`; it may be late."""
    times = [READING_S * number - 5.0 for number in range(1, int(until_s / READING_S) + 1)]
    return [(at_s, round(load(at_s - late_s) / resolution_kw) * resolution_kw) for at_s in times]
