"""The `economic` policy: as much hashrate as the water allows, with the price of every switch in it.

What: one preset per miner, so that the hashrate of the coming minutes (less what switching loses) is the most within
the budget; a multiple-choice knapsack, solved in `allocation`. When: `river`. Limits, modes, ages and ramps are
`plan`'s, as with every policy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from app.core import allocation, eligible, power, switching
from app.core.allocation import Menu
from app.core.memo import Memo
from app.core.policies import Candidate, Move, Step
from app.core.types import MinerView, Settings

NAME = "economic"  # of the setting `policy`

# A preset of more watts counts at least so much more hashrate, whatever its label says (TH/s per W; real ones: 0.02 to
# 0.07): labels without TH, or with less TH for more watts, are not believed.
LEAST_THS_PER_W = 0.001
# What a miner of unknown hashrate (a label without TH, another algorithm) counts with in cuts and raises: middling.
NEUTRAL_THS_PER_W = 0.04
TUNING_SERVES = 12  # times: a preset is tuned once and used again and again, so each use counts a part of the loss
MOST_LOST_SHARE = 0.125  # of the horizon: what a change may count as lost at most
ROUNDING_W = 1e-6  # sums of thousands of watts differ by their order


@dataclass(frozen=True, slots=True)
class Raises:
    """Raises and starts to be made now, and the stopped miners for which room is kept: it has not lasted yet, or the
    step of this reading is used up.
    """

    moves: list[Move]
    waiting: list[MinerView]
    later: list[MinerView] = field(default_factory=list)


class Economic:
    """One plan for the whole cut, raise or exchange, several presets at once where that pays."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def reduce(self, candidates: Sequence[Candidate], need_w: float) -> list[Move]:
        """Free `need_w` where that loses the least; everything there is where it cannot be had."""
        return _moves(self._solve(candidates, -need_w, down=True, up=False)[0])

    def increase(
        self, candidates: Sequence[Candidate], room_w: float, ramp_w: float, step_w: float,
        start_room_w: float = math.inf,
    ) -> Raises:  # fmt: skip
        """Use `room_w` where it wins the most, by raises and starts; return what of that the ramp and the step allow.

        Solved for all of the room, and the rest of the moves is left to later cycles: no miner shall go up by a part of
        its way now and by another in the next minute, which would lose two restarts. `ramp_w`: the most for all of them
        together; `step_w`: for the raises, and as much for the starts. Starts beyond `start_room_w` have to wait: they
        keep their part of the room, but take nothing of the ramp.
        """
        picks = self._solve(candidates, room_w, down=False, up=True)[0]
        able, waiting = _ready(picks, start_room_w)
        now_w = min(ramp_w, step_w)
        if able and min(step.power_w - candidate.power_w for candidate, step in able) > now_w + ROUNDING_W:
            waits = {miner.id for miner in waiting}  # a ramp smaller than any way: a part of one
            others = [candidate for candidate in candidates if candidate.miner.id not in waits]
            first = self._solve(others, now_w, down=False, up=True)[0]
        else:
            first = _within(able, ramp_w, step_w)
        now = {candidate.miner.id for candidate, _ in first}
        later = [c.miner for c, _ in able if c.miner.id not in now and eligible.stopped_by_us(c.miner)]
        return Raises(_moves(first), waiting, later)

    def exchange(self, candidates: Sequence[Candidate], room_w: float) -> list[Move]:
        """Move watts from where they win little to where they win more, and use `room_w` (below 0: free so much).

        Nothing, where all of it would win less than the smallest gain that is worth it.
        """
        picks, gain = self._solve(candidates, room_w, down=True, up=True)
        before = sum(c.expected_ths for c in candidates) * self._settings.horizon_s
        return _moves(picks) if gain > before * self._settings.reoptimise_gain_percent / 100.0 else []

    def _solve(
        self, candidates: Sequence[Candidate], room_w: float, *, down: bool, up: bool
    ) -> tuple[list[_Pick], float]:
        """Return who goes where so that most is won, and what that wins over staying (TH/s x s)."""
        _known_choices.make_room()
        choices = [self._choices(candidate, down=down, up=up) for candidate in candidates]
        budget_w = sum(candidate.power_w for candidate in candidates) + room_w + ROUNDING_W
        options = allocation.allocate([found.menu for found in choices], budget_w)
        picks: list[_Pick] = []
        gain = 0.0
        for candidate, found, option in zip(candidates, choices, options, strict=True):
            step = found.steps[option]
            if step is not None:
                picks.append((candidate, step))
                gain += found.menu.options[option][1] - found.stays
        return picks, gain

    def _choices(self, candidate: Candidate, *, down: bool, up: bool) -> _Choices:
        """Return what the miner may be told; equal miners share it, in this cycle and the next ones.

        Not those that wait for a start: the step that stands for it is each one's own, and of one cycle.
        """
        miner, settings = candidate.miner, self._settings
        if miner.stopped_by_us:
            return self._made(candidate, _steps(candidate, down=down, up=up))
        stop_w = None if candidate.stop is None else candidate.stop.power_w
        key = (id(candidate.lower), id(candidate.higher), stop_w, candidate.power_w, candidate.expected_ths,
               miner.hashrate_factor, _loss_s(miner), settings.horizon_s, settings.untuned_loss_s,
               settings.restart_room_lasts_s, down, up)  # fmt: skip
        found = _known_choices.find(key)
        if found is None:
            alive = candidate.lower, candidate.higher
            made = self._made(candidate, _steps(candidate, down=down, up=up))
            found = _known_choices.keep(key, alive, made)
        return found

    def _made(self, candidate: Candidate, steps: Iterable[Step | None]) -> _Choices:
        """Return the choices and what each hashes within the horizon (TH/s x s)."""
        miner, settings = candidate.miner, self._settings
        tuned_s = self._hashing_s(_loss_s(miner))
        untuned_s = self._hashing_s(_loss_s(miner) + settings.untuned_loss_s / TUNING_SERVES)
        options: list[tuple[float, float]] = []
        kept: list[Step | None] = []
        stays = 0.0
        before_w = ths = -1e9
        for step in steps:
            power_w = candidate.power_w if step is None else step.power_w
            if power_w <= before_w:
                continue
            ths = max(_ths(candidate, step), ths + LEAST_THS_PER_W * (power_w - before_w))
            if step is None:
                worth = stays = ths * settings.horizon_s
            elif step.preset is None:
                worth = -self._cost_of_stop(candidate)
            else:
                worth = ths * (tuned_s if step.preset.tuned else untuned_s)
            options.append((power_w, worth))
            kept.append(step)
            before_w = power_w
        return _Choices(allocation.menu(options), tuple(kept), stays)

    def _hashing_s(self, loss_s: float) -> float:
        """Return what of the horizon is left after a switch, which loses some of its own hashrate first.

        However long a change takes, more hashrate stays worth more: or what was cut would never come back.
        """
        horizon_s = self._settings.horizon_s
        return horizon_s - min(loss_s, MOST_LOST_SHARE * horizon_s)

    def _cost_of_stop(self, candidate: Candidate) -> float:
        """Return what coming back will cost: its room has to last, then the miner starts at its lowest preset."""
        least = candidate.lower[-1] if candidate.lower else None
        return _ths(candidate, least) * (self._settings.restart_room_lasts_s + candidate.miner.switch_loss_s)


def part_of_exchange(moves: Sequence[Move], room_w: float, *, up_w: float, down_w: float) -> list[Move]:
    """Return what of an exchange may be done at once: at most `up_w` of raises, `down_w` of cuts, within `room_w`.

    The raises that win the most per watt, each with the cheapest cuts that make room for it.
    """
    deltas_w = [move.delta_w for move in moves]
    raised_w = sum(delta_w for delta_w in deltas_w if delta_w > 0)
    if raised_w <= up_w + ROUNDING_W and raised_w - sum(deltas_w) <= down_w + ROUNDING_W:
        return list(moves)
    ups = sorted((move for move in moves if move.delta_w > 0), key=_worth_per_w, reverse=True)
    downs = sorted((move for move in moves if move.delta_w <= 0), key=_worth_per_w)
    chosen: list[Move] = []
    begin = 0
    for up in [None, *ups]:  # None: what has to be freed before all
        wanted_w = 0.0 if up is None else up.delta_w
        if up is not None and wanted_w > up_w + ROUNDING_W:
            continue
        end, freed_w = begin, 0.0
        while end < len(downs) and room_w + freed_w + ROUNDING_W < wanted_w:
            freed_w -= downs[end].delta_w
            end += 1
        if room_w + freed_w + ROUNDING_W < wanted_w or freed_w > down_w + ROUNDING_W:
            break
        chosen += downs[begin:end] if up is None else [*downs[begin:end], up]
        room_w += freed_w - wanted_w
        up_w, down_w, begin = up_w - wanted_w, down_w - freed_w, end
    return chosen


def _worth_per_w(move: Move) -> float:
    return _ths_per_w((move.candidate, move.step))


@dataclass(frozen=True, slots=True)
class _Choices:
    """A miner's menu, the step that each of its options stands for (None: it stays), and what staying is worth."""

    menu: Menu
    steps: tuple[Step | None, ...]
    stays: float


_known_choices: Memo[_Choices] = Memo()
_Pick = tuple[Candidate, Step]


def _loss_s(miner: MinerView) -> float:
    """Return what a change of this miner would lose now (seconds of full hashrate)."""
    return miner.soon_loss_s if miner.soon_loss_s is not None and switching.is_soon(miner) else miner.switch_loss_s


def _ths(candidate: Candidate, step: Step | None) -> float:
    if step is None:
        known = candidate.expected_ths
        return known if known > 0 or candidate.miner.stopped_by_us else NEUTRAL_THS_PER_W * candidate.power_w
    if step.preset is None:
        return 0.0
    return power.preset_ths(candidate.miner, step.preset) or NEUTRAL_THS_PER_W * step.power_w


def _steps(candidate: Candidate, *, down: bool, up: bool) -> list[Step | None]:
    """Return a miner's steps, ascending in power; None stands for staying. A stop that frees nothing is none."""
    lower = candidate.lower[::-1] if down else ()
    lowest_w = lower[0].power_w if lower else candidate.power_w
    stop = [candidate.stop] if down and candidate.stop is not None and candidate.stop.power_w < lowest_w else []
    return [*stop, *lower, None, *(candidate.higher if up else ())]


def _ready(picks: Iterable[_Pick], start_room_w: float) -> tuple[list[_Pick], list[MinerView]]:
    """Return what may be done now and whose start has to wait for room, each by what a watt wins, best first."""
    able: list[_Pick] = []
    waiting: list[MinerView] = []
    for candidate, step in sorted(picks, key=_ths_per_w, reverse=True):
        if eligible.stopped_by_us(candidate.miner):
            if step.power_w > start_room_w:
                waiting.append(candidate.miner)
                continue
            start_room_w -= step.power_w
        able.append((candidate, step))
    return able, waiting


def _within(picks: Iterable[_Pick], ramp_w: float, step_w: float) -> list[_Pick]:
    """Return the first ones that fit. Starts have a step of their own: the step softens the dip of those that restart
    from their work, and who is stopped has none."""
    found: list[_Pick] = []
    raises_w = starts_w = step_w
    for candidate, step in picks:
        delta_w, starts = step.power_w - candidate.power_w, eligible.stopped_by_us(candidate.miner)
        if delta_w > min(ramp_w, starts_w if starts else raises_w) + ROUNDING_W:
            continue
        found.append((candidate, step))
        ramp_w -= delta_w
        if starts:
            starts_w -= delta_w
        else:
            raises_w -= delta_w
    return found


def _ths_per_w(pick: _Pick) -> float:
    candidate, step = pick
    return (_ths(candidate, step) - _ths(candidate, None)) / (step.power_w - candidate.power_w)


def _moves(picks: Iterable[_Pick]) -> list[Move]:
    return [Move(candidate, step, _why(candidate, step)) for candidate, step in picks]


def _why(candidate: Candidate, step: Step) -> str:
    """Return the numbers of one move: "2300 -> 1850: frees 450 W for 11.0 TH/s (41 W per TH/s, the cheapest ...)"."""
    watts = step.power_w - candidate.power_w
    ths = _ths(candidate, step) - _ths(candidate, None)
    if eligible.stopped_by_us(candidate.miner):
        return f"stopped -> {step.name}: needs room of {step.power_w:,.0f} W for {abs(ths):,.1f} TH/s"
    verb, praise = ("takes", "the best use of the farm's watts") if watts > 0 else ("frees", "the cheapest in the farm")
    price = f" ({watts / ths:,.0f} W per TH/s, {praise})" if watts * ths > 0 else ""
    known = candidate.expected_ths > 0 and (step.preset is None or power.preset_ths(candidate.miner, step.preset) > 0)
    old = candidate.preset or "unknown preset"
    if not known:
        return f"{old} -> {step.name}: {verb} {abs(watts):,.0f} W (its hashrate is not known)"
    return f"{old} -> {step.name}: {verb} {abs(watts):,.0f} W for {abs(ths):,.1f} TH/s{price}"
