"""What nobody can exceed in a live run who knows the river beforehand, pays for his switches and is scored as all are.

The miners are the simulator's: a stop is free, whoever starts or restarts hashes nothing for `dip_s` and comes up in a
straight line for `ramp_s`; some models take another preset without a restart. Everything unknown is granted: what runs
at the beginning, that each miner obeys at once, true watts and TH/s (but for the 0.3 % by which they flutter).

Why it is a bound. In the planner's favour a miner that comes up draws only in proportion to what it hashes, a change
without restart costs nothing, and who needs no restart may cut a ramp short with one. Then let each watt have a price
in each second. With `most` (budget and band), `available` and the farm's watts w and TH/s h, a second's credit is

- h where w <= most, which is at most  price x most + (h - price x w);
- h x most / w up to available, at most the same plus  (price - least) x (available - most)  where the price is above
  `least`, the fewest TH/s per watt of any preset: h / w is never below it;
- 0 above, at most the same while  (price - least) x w <= price x most  for any w that the fleet can draw: so the price
  is kept at or below  least x max / (max - most).

The first term is known, the second the sum of each miner's own course: the best is found by dynamic programming, second
by second. So any such prices give a bound; good ones are found in rounds (`bounds.least_bound`).

`python -m benchmarks.live.foresight [--miners 60 300]` prints it for each scenario, without any run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.balancing.bounds import Clairvoyant, hull, least_bound
from benchmarks.live.farm import LiveFarm
from benchmarks.live.scenarios import SCENARIOS
from benchmarks.live.score import Limits, TrueFarm, limits
from simulator.physics import Timing

ROUNDS = 60


@dataclass(frozen=True)
class Way:
    """How a miner comes up: `shares` of its hashrate in each second from a start or restart on, after them all of it.

    `free`: it then takes another preset without a restart.
    """

    shares: tuple[float, ...]
    free: bool

    @staticmethod
    def of(change_mode: str, timing: Timing) -> Way:
        """Return the way of a simulated miner. `recent` takes a quick change again after `quick_window_s`."""
        full = [0.0] * round(timing.dip_s) + [(s + 0.5) / timing.ramp_s for s in range(round(timing.ramp_s))]
        known_s = {"quick": timing.dip_s, "recent": max(timing.dip_s, timing.quick_window_s)}.get(change_mode)
        return Way(tuple(full if known_s is None else full[: round(known_s)]), free=known_s is not None)


def most_share(farm: TrueFarm, ways: Sequence[Way], allowed: Limits, rounds: int = ROUNDS) -> float:
    """Return the credit that foresight with switching cost cannot exceed, in % of the bound without that cost.

    `allowed`: one value for each second.
    """
    free = Clairvoyant(farm)
    without_ths = float(free.ths(allowed.budget_w).sum())
    least = min(float((farm.ths(i) / farm.watts(i)).min()) for i in range(farm.size))
    wide_w = np.maximum(allowed.available_w - allowed.most_w, 0.0)
    left_w = np.maximum(farm.max_w - allowed.most_w, 1.0)
    groups = _groups(farm, ways)

    def courses(prices: np.ndarray) -> tuple[float, np.ndarray]:
        value, drawn_w = float(np.maximum(prices - least, 0.0) @ wide_w), np.where(prices > least, wide_w, 0.0)
        for watts, ths, way in groups:
            own, own_w = own_courses(watts, ths, way, prices)
            value, drawn_w = value + own, drawn_w + own_w
        return value, drawn_w

    anywhere_ths = float(Clairvoyant(farm, anywhere=True).ths(allowed.most_w + wide_w).sum())
    best = least_bound(
        anywhere_ths, free.ths_per_w(allowed.most_w), allowed.most_w, courses,
        step_s=1, highest=least * farm.max_w / left_w, rounds=rounds,
    )  # fmt: skip
    return 100.0 * best / without_ths


def _groups(farm: TrueFarm, ways: Sequence[Way]) -> list[tuple[np.ndarray, np.ndarray, Way]]:
    """Return (W, TH/s) of the presets on the hulls by miner, for those with as many and the same way.

    No other preset is ever part of a best course: at any prices one of its neighbours on the hull is worth as much.
    """
    alike: dict[tuple[Way, int], list[tuple[np.ndarray, np.ndarray]]] = {}
    for i in range(farm.size):
        watts, ths = farm.watts(i), farm.ths(i)
        kept = hull(watts, ths)
        alike.setdefault((ways[i], len(kept)), []).append((watts[kept], ths[kept]))
    return [
        (np.array([watts for watts, _ in members]), np.array([ths for _, ths in members]), way)
        for (way, _), members in alike.items()
    ]


def own_courses(watts: np.ndarray, ths: np.ndarray, way: Way, prices: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the worth of these miners' best courses at those prices (TH/s x s), and what they draw in each second.

    A miner is off, or on a preset in the second `phase` of coming up, the last phase being up. Each second it goes on,
    or begins anew: off, or coming up on any preset.
    """
    n, presets = watts.shape
    shares = np.array([*way.shares, 1.0])
    up, rows = len(shares) - 1, np.arange(n)
    coming = np.zeros((n, presets, up + 1))  # what the rest of the time is worth, by preset and phase
    anew = np.zeros(n)  # ... to one that begins anew
    leaves = np.empty((len(prices), n, presets, up + 1), bool)
    begins = np.empty((len(prices), n), np.int16)  # on which preset; `presets`: off
    moves_to = np.empty((len(prices), n), np.int16)  # the best preset of one that is up and may choose
    for t in range(len(prices) - 1, -1, -1):
        worth = ths - prices[t] * watts
        after = np.concatenate([coming[:, :, 1:], coming[:, :, up:]], axis=2)
        here = worth[:, :, None] * shares + after
        if way.free:
            moves_to[t] = worth.argmax(axis=1)
            here[:, :, up] = here[rows, moves_to[t], up][:, None]
        begins[t] = here[:, :, 0].argmax(axis=1)
        starting = here[rows, begins[t], 0]
        begins[t] = np.where(starting > anew, begins[t], presets)
        anew = np.maximum(starting, anew)
        leaves[t] = anew[:, None, None] > here
        coming = np.maximum(here, anew[:, None, None])
    preset, phase = coming[:, :, up].argmax(axis=1), np.full(n, up)
    value = float(coming[rows, preset, up].sum())
    drawn_w = np.empty(len(prices))
    for t in range(len(prices)):
        off = preset == presets
        anew_now = off | leaves[t][rows, np.minimum(preset, presets - 1), phase]
        preset, phase = np.where(anew_now, begins[t], preset), np.where(anew_now, 0, phase)
        if way.free:
            preset = np.where((phase == up) & (preset < presets), moves_to[t], preset)
        on = preset < presets
        drawn_w[t] = float((watts[rows, np.minimum(preset, presets - 1)] * shares[phase])[on].sum())
        phase = np.where(on, np.minimum(phase + 1, up), 0)
    return value, drawn_w


def of_scenario(farm: LiveFarm) -> float:
    """Return the bound for a live farm's scenario, in %."""
    target_w = farm.truth.max_w * np.array([farm.scenario.share(s) for s in range(int(farm.scenario.length_s))])
    allowed = limits(farm.load.generation_kw(target_w), farm.truth, farm.load)
    ways = [Way.of(m.physics.behaviour.change_mode, m.physics.timing) for m in farm.simulator.miners]
    return most_share(farm.truth, ways, allowed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the bound of each scenario."""
    cli = argparse.ArgumentParser(prog="python -m benchmarks.live.foresight", description=__doc__.splitlines()[0])
    cli.add_argument("--miners", type=int, nargs="+", default=[60])
    cli.add_argument("--scenarios", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS))
    cli.add_argument("--seed", type=int, default=7)
    args = cli.parse_args(arguments)
    print("| scenario | miners | foresight, at most % of bound |\n| --- | --- | --- |")
    for miners in args.miners:
        for name in args.scenarios:
            farm = LiveFarm.of(SCENARIOS[name], miners, seed=args.seed, topology="foreign", margin_percent=10.0,
                               base_ip="127.190.0.1")  # fmt: skip
            print(f"| {name} | {miners} | {of_scenario(farm):.1f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
