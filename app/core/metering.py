"""Does a consumption meter contain the miners? It does where it follows what they draw (SPEC 3, "Foreign load").

Two-minute differences of the meter are regressed on those of what the miners report to draw over an hour: a slope near
1 means that it contains them, near 0 that it does not. The miners' own reports, not the accounted power, because a
restart takes a miner to nothing for a while whatever its presets are: by the accounted power a meter that contains
every miner has slopes from -1 to 5 (docs/decisions/0007-meter-roles.md).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.core.plant import FROZEN_AFTER_S
from app.core.power import STOPPED_W
from app.core.types import MinerView, Settings

WINDOW_S = 3600.0  # what is looked at
SHORTEST_S = 1200.0  # less of it tells nothing
DIFFERENCE_S = 120.0
SHORT_DIFFERENCE_S = 30.0  # too short for the balancer to answer a step of other load within it
LONGEST_MORE_S = 90.0  # a difference over a gap may be this much longer
PART_S = 600.0  # the slope has to hold without any ten minutes of the hour
FEWEST_PARTS = 3
PART_SHARE = 0.9  # at most this share of the movement may lie within one part
FEWEST_DIFFERENCES = 30
LEAST_MOVEMENT = 0.01  # of what the miners draw (root mean square of the differences): below it, reports only jitter
LARGEST_ERROR = 0.1  # standard error of the slope
LARGEST_OTHER_ERROR = 0.2  # ... of those over short differences and at other delays, which only must not object
CONTAINS = (0.8, 1.2)  # wall power runs some percent above board power
APART = 0.2
LEAST_CORRELATION = 0.25  # squared: what contains the miners moves with them, whatever else is in it
SHORT_CONTAINS = 0.5  # over short differences clocks that do not agree blur the slope
LEVEL_SHARE = 0.5  # a meter below this share of the miners' draw cannot contain them
STUCK_MOVEMENT = 0.05  # a value that stands still for ten minutes while the miners move this much is no measurement
REPORT_AGE_S = 8.0  # how old the miners' reports are in a cycle: half a status interval
LONGEST_GAP_S = 60.0  # between two cycles; what the miners drew in a longer one is not known
DELAYS_S = (0.0, 15.0, 30.0, 45.0, 60.0)  # how late a meter may show what it measures

Reading = tuple[float, float]  # when (s), what the meter read (kW)


class MeterVerdict(StrEnum):
    CONTAINS = "contains"
    APART = "apart"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Draw:
    """What all known miners reported to draw in one cycle, and how many they were."""

    at_s: float
    power_kw: float
    miners: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What an hour says of a meter. `slope` None with a decided verdict: its level alone decided.

    `error`: the slope's standard error. `differences`: how many two-minute differences it rests on.
    """

    verdict: MeterVerdict
    reason: str
    slope: float | None = None
    error: float | None = None
    differences: int = 0


@dataclass(frozen=True, slots=True)
class _Point:
    at_s: float
    meter_kw: float
    draw_kw: float
    miners: int


@dataclass(frozen=True, slots=True)
class _Fit:
    slope: float
    error: float
    differences: int
    correlation: float  # squared
    movement_kw: float  # root mean square of the miners' differences
    largest_part: float  # share of the movement within one part of the hour


def reported_w(miners: Iterable[MinerView], accounted: Mapping[int, float], settings: Settings) -> tuple[float, int]:
    """Return what the known miners say they draw at the wall (W), and how many they are.

    A silent miner, and one that hashes without a number, is taken at what it counts with: nothing tells that it moved.
    """
    known = [miner for miner in miners if not miner.retired]
    return sum(_reported_w(miner, accounted.get(miner.id, 0.0), settings) for miner in known), len(known)


def _reported_w(miner: MinerView, accounted_w: float, settings: Settings) -> float:
    if miner.silent_s is not None:
        return accounted_w
    if miner.measured_power_w:
        return miner.measured_power_w * settings.wall_factor
    return accounted_w if miner.state.hashing else STOPPED_W


def judge(readings: Sequence[Reading], draws: Sequence[Draw]) -> Finding:
    """Return whether the meter with these good readings contains the miners with these draws, both oldest first.

    Other load in the same meter, a meter of its own with large steps, and the balancer's answer to either must not
    flip a verdict: it takes a slope that holds without any ten minutes of the hour, over long and short differences
    alike. A meter may be late by up to a minute.
    """
    by_delay = [_points(readings, draws, delay_s) for delay_s in DELAYS_S]
    points = by_delay[0]
    if len(points) < FEWEST_DIFFERENCES or points[-1].at_s - points[0].at_s < SHORTEST_S:
        return Finding(MeterVerdict.UNDECIDED, "too few readings yet")
    draw_kw = sum(point.draw_kw for point in points) / len(points)
    if sum(point.meter_kw for point in points) / len(points) < LEVEL_SHARE * draw_kw:
        return Finding(MeterVerdict.APART, "it reads less than half of what the miners draw")
    fits = [(_fit(at, DIFFERENCE_S), _fit(at, SHORT_DIFFERENCE_S)) for at in map(_without_stuck, by_delay)]
    return _decide([(long, short) for long, short in fits if long is not None and short is not None], draw_kw)


def _decide(fits: Sequence[tuple[_Fit, _Fit]], draw_kw: float) -> Finding:
    if not fits:
        return Finding(MeterVerdict.UNDECIDED, "too few changes in the last hour")
    best, short = max(fits, key=lambda fit: fit[0].correlation)

    def found(verdict: MeterVerdict, reason: str) -> Finding:
        return Finding(verdict, reason, best.slope, best.error, best.differences)

    if best.movement_kw < LEAST_MOVEMENT * draw_kw:
        return found(MeterVerdict.UNDECIDED, "the miners' draw hardly moved in the last hour")
    if best.largest_part > PART_SHARE:
        return found(MeterVerdict.UNDECIDED, "the miners' draw moved within ten minutes of the last hour only")
    certain = best.error <= LARGEST_ERROR and best.correlation >= LEAST_CORRELATION
    if certain and CONTAINS[0] <= best.slope <= CONTAINS[1] and short.slope >= SHORT_CONTAINS:
        return found(MeterVerdict.CONTAINS, "it follows the miners")
    every = [fit for pair in fits for fit in pair]
    if best.error <= LARGEST_ERROR and all(abs(f.slope) <= APART and f.error <= LARGEST_OTHER_ERROR for f in every):
        return found(MeterVerdict.APART, "it does not follow the miners")
    if not certain:
        return found(MeterVerdict.UNDECIDED, "other load in it moves too much to tell")
    return found(MeterVerdict.UNDECIDED, "it follows the miners in part, or other load moves with them")


# --- what was read while the miners drew what ------------------------------------------------------------------------


def _points(readings: Sequence[Reading], draws: Sequence[Draw], delay_s: float) -> list[_Point]:
    """Return the readings with what the miners drew then; a meter late by `delay_s` shows what they drew before."""
    at = [draw.at_s - REPORT_AGE_S for draw in draws]
    return [
        _Point(at_s, meter_kw, draw.power_kw, draw.miners)
        for at_s, meter_kw in readings
        if (draw := _draw_at(draws, at, at_s - delay_s)) is not None
    ]


def _draw_at(draws: Sequence[Draw], at: Sequence[float], moment_s: float) -> Draw | None:
    """Return the draw between two cycles of the same miners."""
    after = bisect_right(at, moment_s)
    if after == 0 or after == len(at):
        return None
    earlier, later, gap_s = draws[after - 1], draws[after], at[after] - at[after - 1]
    if gap_s > LONGEST_GAP_S or earlier.miners != later.miners:
        return None
    share = (moment_s - at[after - 1]) / gap_s
    return Draw(moment_s, earlier.power_kw + (later.power_kw - earlier.power_kw) * share, later.miners)


def _without_stuck(points: Sequence[_Point]) -> list[_Point]:
    """Leave out values that stood still to the last digit for ten minutes while the miners moved."""
    kept: list[_Point] = []
    run: list[_Point] = []
    for point in points:
        if run and run[-1].meter_kw != point.meter_kw:
            kept += [] if _stuck(run) else run
            run = []
        run.append(point)
    return kept + ([] if not run or _stuck(run) else run)


def _stuck(run: Sequence[_Point]) -> bool:
    if run[-1].at_s - run[0].at_s < FROZEN_AFTER_S:
        return False
    draws = [point.draw_kw for point in run]
    return max(draws) - min(draws) > STUCK_MOVEMENT * max(draws)


# --- regression ------------------------------------------------------------------------------------------------------

_Sums = list[float]  # number, sums of x, y, xx, xy, yy


def _fit(points: Sequence[_Point], span_s: float) -> _Fit | None:
    """Regress the meter's differences over `span_s` on the miners'; None where they do not say anything.

    The slope's error is the jackknife's over parts of the hour, so that neither one coincidence nor differences that
    overlap make it look certain.
    """
    parts = _sums_by_part(points, span_s)
    whole = [sum(column) for column in zip(*parts, strict=True)] if parts else []
    if not whole or whole[0] < FEWEST_DIFFERENCES:
        return None
    slope = _slope(whole)
    without = [_slope([all_ - own for all_, own in zip(whole, part, strict=True)]) for part in parts]
    slopes = [found for found in without if found is not None]
    if slope is None or len(slopes) < len(parts) or len(parts) < FEWEST_PARTS:
        return None
    number, x, y, _, xy, yy = whole
    mean = sum(slopes) / len(slopes)
    sxx, sxy, syy = _spread(whole), xy - x * y / number, yy - y * y / number
    return _Fit(
        slope=slope,
        error=math.sqrt((len(slopes) - 1) / len(slopes) * sum((found - mean) ** 2 for found in slopes)),
        differences=int(number),
        correlation=sxy * sxy / (sxx * syy) if syy > 0 else 0.0,
        movement_kw=math.sqrt(sxx / number),
        largest_part=max(_spread(part, x / number) for part in parts) / sxx,
    )


def _sums_by_part(points: Sequence[_Point], span_s: float) -> list[_Sums]:
    at = [point.at_s for point in points]
    parts: dict[int, _Sums] = {}
    for point in points:
        index = bisect_right(at, point.at_s - span_s) - 1
        before = points[index]
        # A miner that discovery has added meanwhile has not been switched on meanwhile.
        if index < 0 or point.at_s - before.at_s > span_s + LONGEST_MORE_S or point.miners != before.miners:
            continue
        x, y = point.draw_kw - before.draw_kw, point.meter_kw - before.meter_kw
        part = parts.setdefault(int(point.at_s // PART_S), [0.0] * 6)
        for place, value in enumerate((1.0, x, y, x * x, x * y, y * y)):
            part[place] += value
    return list(parts.values())


def _slope(sums: _Sums) -> float | None:
    number, x, y, xx, xy, _ = sums
    if number < 2 or _spread(sums) <= 1e-9 * max(1.0, xx):
        return None
    return (xy - x * y / number) / _spread(sums)


def _spread(sums: _Sums, mean: float | None = None) -> float:
    """Return the sum of squares of x about its own mean, or about `mean`."""
    number, x, _, xx, _, _ = sums
    about = x / number if mean is None else mean
    return xx - 2 * about * x + number * about * about
