"""What nobody can exceed in a live run who knows the river beforehand, and what the rules leave of it.

The miners are the simulator's: a stop is free, whoever starts or restarts hashes nothing for `dip_s` and comes up in a
straight line for `ramp_s`; some models take another preset without a restart. Everything unknown is granted: what runs
at the beginning, that each miner obeys at once, true watts and TH/s (but for the 0.3 % by which they flutter), and the
band above the budget that the score grants all.

Why `most_share` is a bound. In the planner's favour a miner that comes up draws only in proportion to what it hashes, a
change without restart costs nothing, and who needs no restart may cut a ramp short with one. Then let each watt have a
price in each second. With `most` (budget and band), `available` and the farm's W and TH/s, a second's credit is

- TH where W <= most, which is at most  price x most + (TH - price x W);
- TH x most / W up to available, at most the same plus  (price - least) x (available - most)  where the price is above
  `least`, the fewest TH/s per watt of any preset: TH / W is never below it;
- 0 above, at most the same while  (price - least) x W <= price x most  for any W that the fleet can draw: so the price
  is kept at or below  least x max / (max - most).

The first term is known, the second the sum of each miner's own course: the best is found by dynamic programming, second
by second. So any such prices give a bound; good ones are found in rounds.

`counted_share` is the like for one who counts a miner with all the power of its preset from the moment it is told (SPEC
4), and with the rules of when (`by_the_rule`): no more than the lowest of 12 readings or the fast path, in steps of a
tenth (two where there are starts too), and no start before room for it has lasted, or a fast path is open to it. A
bound for who keeps to these and uses the water that he has: who stood low on purpose could start miners sooner.

`python -m benchmarks.live.foresight [--miners 60 300]` prints all of it for each scenario, without any run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from app.core.river import readings_for_restart
from app.core.types import Settings
from benchmarks.balancing.bounds import Clairvoyant, hull
from benchmarks.live.farm import LiveFarm
from benchmarks.live.fast import INTERVAL_S, farms, parser, readings
from benchmarks.live.score import Limits, TrueFarm, limits
from simulator.physics import Timing

ROUNDS = 50
PACE, KEEP = 0.6, 0.7  # of the search for prices: how fast, and how much of the last round's direction is kept
CHEAPEST, DEAREST = 1e-5, 0.3  # TH/s per W


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
    """Return the credit that nobody can exceed, in % of the bound without switching cost; limits second by second."""
    least = min(float((farm.ths(i) / farm.watts(i)).min()) for i in range(farm.size))
    wide_w = np.maximum(allowed.available_w - allowed.most_w, 0.0)
    highest = least * farm.max_w / np.maximum(farm.max_w - allowed.most_w, 1.0)
    groups = _groups(farm, ways)

    def courses(prices: np.ndarray) -> tuple[float, np.ndarray]:
        value, drawn_w = float(np.maximum(prices - least, 0.0) @ wide_w), np.where(prices > least, wide_w, 0.0)
        for watts, ths, way in groups:
            own, own_w = own_courses(watts, ths, way, prices)
            value, drawn_w = value + own, drawn_w + own_w
        return value, drawn_w

    return _percent(farm, allowed, _least_bound(farm, allowed.most_w, courses, highest, rounds))


def counted_share(
    farm: TrueFarm, ways: Sequence[Way], allowed: Limits, highest_w: np.ndarray, starts: np.ndarray | None = None,
    rounds: int = ROUNDS,
) -> float:  # fmt: skip
    """Return the like (%) for one who counts each miner in full while it comes up, and never plans above `highest_w`.

    `starts`: the seconds in which a stopped miner may be started; None: all.
    """
    groups = _groups(farm, ways)

    def courses(prices: np.ndarray) -> tuple[float, np.ndarray]:
        value, drawn_w = 0.0, np.zeros(len(prices))
        for watts, ths, way in groups:
            own, own_w = own_courses(watts, ths, way, prices, starts, counted=True)
            value, drawn_w = value + own, drawn_w + own_w
        return value, drawn_w

    return _percent(farm, allowed, _least_bound(farm, highest_w, courses, DEAREST, rounds))


def _percent(farm: TrueFarm, allowed: Limits, ths_s: float) -> float:
    return 100.0 * ths_s / float(Clairvoyant(farm).ths(allowed.budget_w).sum())


def _least_bound(
    farm: TrueFarm, most_w: np.ndarray, courses: Callable[[np.ndarray], tuple[float, np.ndarray]],
    highest: np.ndarray | float, rounds: int,
) -> float:  # fmt: skip
    """Return the lowest bound (TH/s x s) of some rounds: where more is drawn than there is, a watt gets dearer."""
    prices = np.clip(Clairvoyant(farm).ths_per_w(most_w), CHEAPEST, highest)
    best, direction = np.inf, np.zeros(len(most_w))
    for tried in range(1, rounds + 1):
        own, drawn_w = courses(prices)
        best = min(best, float(prices @ most_w) + own)
        direction = KEEP * direction + (1.0 - KEEP) * (drawn_w / most_w - 1.0)
        prices = np.clip(prices * np.exp(PACE / np.sqrt(tried) * direction), CHEAPEST, highest)
    return best


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


def own_courses(
    watts: np.ndarray, ths: np.ndarray, way: Way, prices: np.ndarray, starts: np.ndarray | None = None,
    *, counted: bool = False,
) -> tuple[float, np.ndarray]:  # fmt: skip
    """Return the worth of these miners' best courses at those prices (TH/s x s), and what they draw in each second.

    A miner is off, or on a preset in the second `phase` of coming up, the last phase being up. Each second it goes on,
    restarts into any preset, or is off; `starts`: in which seconds one that is off may come up again. `counted`: one
    that comes up counts with all of its power.
    """
    n, presets = watts.shape
    shares = np.array([*way.shares, 1.0])
    draws = np.ones(len(shares)) if counted else shares
    up, rows = len(shares) - 1, np.arange(n)
    coming = np.zeros((n, presets, up + 1))  # what the rest of the time is worth, by preset and phase
    off = np.zeros(n)  # ... and to one that is off
    leaves = np.empty((len(prices), n, presets, up + 1), bool)
    restarts = np.empty((len(prices), n), bool)  # who leaves, and does not go off
    comes = np.empty((len(prices), n), bool)  # who is off, and comes up
    begins = np.empty((len(prices), n), np.int16)  # on which preset
    moves_to = np.empty((len(prices), n), np.int16)  # the best preset of one that is up and may choose
    for t in range(len(prices) - 1, -1, -1):
        here = ths[:, :, None] * shares - prices[t] * watts[:, :, None] * draws
        here += np.concatenate([coming[:, :, 1:], coming[:, :, up:]], axis=2)
        if way.free:
            moves_to[t] = here[:, :, up].argmax(axis=1)
            here[:, :, up] = here[rows, moves_to[t], up][:, None]
        begins[t] = here[:, :, 0].argmax(axis=1)
        anew = here[rows, begins[t], 0]
        restarts[t] = anew > off
        comes[t] = restarts[t] & (starts is None or bool(starts[t]))
        best = np.maximum(anew, off)
        leaves[t] = best[:, None, None] > here
        coming = np.maximum(here, best[:, None, None])
        off = np.where(comes[t], anew, off)
    preset, phase, on = coming[:, :, up].argmax(axis=1), np.full(n, up), np.ones(n, bool)
    value = float(coming[rows, preset, up].sum())
    drawn_w = np.empty(len(prices))
    for t in range(len(prices)):
        left = leaves[t][rows, preset, phase] & on
        began = np.where(on, left & restarts[t], comes[t])
        on = (on & ~left) | began
        preset, phase = np.where(began, begins[t], preset), np.where(began, 0, phase)
        if way.free:
            preset = np.where(phase == up, moves_to[t], preset)
        drawn_w[t] = float((watts[rows, preset] * draws[phase])[on].sum())
        phase = np.minimum(phase + 1, up)
    return value, drawn_w


def by_the_rule(targets_w: Sequence[float], max_w: float, rule: Settings) -> list[float]:
    """Return the highest planned power (W) after each reading that the rule of when to raise allows.

    A step of raises and one of starts with each reading; the latter is granted also where nobody is stopped.
    """
    step_w = 2.0 * rule.raise_step_percent / 100.0 * max_w
    found = [targets_w[0]]
    for k in range(1, len(targets_w)):
        seen = targets_w[max(0, k + 1 - rule.raise_window_readings) : k + 1]
        room_w = (1.0 - rule.fast_raise_percent / 100.0) * min(seen[-2:])
        if len(seen) == rule.raise_window_readings:
            room_w = max(room_w, min(seen))
        found.append(min(max(found[-1], room_w), found[-1] + step_w, targets_w[k]))
    return found


@dataclass(frozen=True)
class Bounds:
    """Of one scenario, in % of the bound without switching cost: foresight's; if it counts miners in full; if it also
    keeps to the rule of when to raise; and to that of when to start."""

    foresight: float
    counted: float
    raising: float
    starting: float


def river(farm: LiveFarm) -> tuple[Limits, list[Way]]:
    """Return what the scenario allows second by second, and how the farm's miners come up."""
    target_w = farm.truth.max_w * np.array([farm.scenario.share(s) for s in range(int(farm.scenario.length_s))])
    ways = [Way.of(m.physics.behaviour.change_mode, m.physics.timing) for m in farm.simulator.miners]
    return limits(farm.load.generation_kw(target_w), farm.truth, farm.load), ways


def of_scenario(farm: LiveFarm, phase_s: float = INTERVAL_S / 2) -> Bounds:
    """Return the bounds for a live farm's scenario, where the first reading comes `phase_s` after its beginning."""
    allowed, ways = river(farm)
    highest_w, starts = _by_the_rules(farm, allowed, phase_s)
    return Bounds(
        most_share(farm.truth, ways, allowed),
        counted_share(farm.truth, ways, allowed, allowed.budget_w),
        counted_share(farm.truth, ways, allowed, highest_w),
        counted_share(farm.truth, ways, allowed, highest_w, starts),
    )


def _by_the_rules(farm: LiveFarm, allowed: Limits, phase_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the highest planned power in each second, and whether a start is allowed."""
    rule, margin = Settings(), 1.0 - farm.load.margin_percent / 100.0
    seen = readings(farm, phase_s)
    targets_w = [reading.available_kw * 1000.0 * margin for reading in seen]
    planned_w = by_the_rule(targets_w, farm.truth.max_w, rule)
    needed = readings_for_restart(rule, INTERVAL_S)
    lasted_w = np.array([
        max(min(targets_w[max(0, k + 1 - needed) : k + 1]),
            (1.0 - rule.fast_raise_percent / 100.0) * min(targets_w[max(0, k - 1) : k + 1]))
        for k in range(len(seen))
    ])  # fmt: skip
    last = np.searchsorted([reading.at_s for reading in seen], np.arange(len(allowed.budget_w)), side="right") - 1
    highest_w = np.maximum(np.array(planned_w)[last], np.minimum(farm.truth.floor_w, allowed.budget_w))
    return np.minimum(highest_w, allowed.budget_w), lasted_w[last] >= farm.truth.floor_w


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the bounds of each scenario."""
    args = parser("benchmarks.live.foresight", __doc__).parse_args(arguments)
    print("| scenario | miners | foresight, at most | counted as by SPEC 4 | raised by the rule | started by it |\n"
          + "| --- " * 6 + "|")  # fmt: skip
    for farm in farms(args):
        found = of_scenario(farm)
        print(f"| {farm.scenario.name} | {farm.truth.size} | {found.foresight:.1f} | {found.counted:.1f} | "
              f"{found.raising:.1f} | {found.starting:.1f} |", flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
