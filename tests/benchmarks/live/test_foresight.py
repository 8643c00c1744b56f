"""The bound of foresight: against every course there is where those can be counted, and by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from app.core.types import Settings
from benchmarks.live.farm import LiveFarm
from benchmarks.live.foresight import Way, by_the_rule, most_share, of_scenario, own_courses
from benchmarks.live.scenarios import Scenario
from benchmarks.live.score import Limits, TrueFarm
from simulator.physics import Timing

STEPS = [(1000.0, 20.0), (2000.0, 30.0)]
SLOW, QUICK = Way((0.0, 0.5), free=False), Way((0.0,), free=True)
ON, OFF = (None, False), (None, True)  # orders: go on; be off; or a preset, with a restart or without


def courses(way: Way, seconds: int, starts: list[bool] | None = None, *, counted: bool = False) -> np.ndarray:
    """Return every course of one miner as (W, TH/s) by second."""
    found = set()
    orders = (ON, OFF, (0, True), (1, True), *(((0, False), (1, False)) if way.free else ()))
    for first, told in product((0, 1), product(orders, repeat=seconds)):
        found.add(_course(way, first, told, starts, counted=counted))
    return np.array(sorted(course for course in found if course is not None))


def _course(
    way: Way, preset: int, told: tuple[tuple[int | None, bool], ...], starts: list[bool] | None, *, counted: bool
) -> tuple[tuple[float, float], ...] | None:
    on, phase, course = True, len(way.shares), []
    for second, order in enumerate(told):
        wanted, restart = order
        if order == OFF:
            on = False
        elif wanted is not None:
            if restart and not on and starts is not None and not starts[second]:
                return None
            if not restart and not (on and phase == len(way.shares)):
                return None
            phase = 0 if restart else phase
            on, preset = True, wanted
        share = 0.0 if not on else 1.0 if phase == len(way.shares) else way.shares[phase]
        watts, ths = STEPS[preset]
        course.append((watts * (float(on) if counted else share), ths * share))
        phase = min(phase + 1, len(way.shares))
    return tuple(course)


@pytest.mark.parametrize("way", [SLOW, QUICK])
@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("starts", [None, [True, False, False, True, True]])
@pytest.mark.parametrize(
    "prices", [(0.0,) * 5, (0.012,) * 5, (0.0, 0.05, 0.05, 0.0, 0.0), (0.03, 0.0, 0.012, 0.09, 0.0)]
)
def test_a_miners_best_course_is_the_best_of_all(
    way: Way, counted: bool, starts: list[bool] | None, prices: tuple[float, ...]
) -> None:
    watts, ths = np.array([[w for w, _ in STEPS]]), np.array([[h for _, h in STEPS]])
    allowed = None if starts is None else np.array(starts)
    value, drawn_w = own_courses(watts, ths, way, np.array(prices), allowed, counted=counted)
    known = courses(way, 5, starts, counted=counted)
    worth = known[:, :, 1].sum(axis=1) - known[:, :, 0] @ np.array(prices)
    assert value == pytest.approx(worth.max())
    best = known[np.isclose(worth, worth.max())]
    assert any(np.allclose(course[:, 0], drawn_w) for course in best)


@pytest.mark.parametrize("ways", [(SLOW, SLOW), (QUICK, SLOW), (QUICK, QUICK)])
@pytest.mark.parametrize("target_w", [(4000, 4000, 2000, 4000), (2000, 1000, 1000, 3000), (3000, 2900, 2700, 2900)])
def test_no_pair_of_courses_earns_more_than_the_bound(ways: tuple[Way, Way], target_w: tuple[float, ...]) -> None:
    """Credit as the score gives it, overload and all."""
    target = np.array(target_w, float)
    allowed = Limits(target, target, target + 500.0, target / 0.8)
    farm = TrueFarm([STEPS, STEPS])
    one, other = (courses(way, 4) for way in ways)
    drawn_w = one[:, None, :, 0] + other[None, :, :, 0]
    ths = one[:, None, :, 1] + other[None, :, :, 1]
    share = np.where(drawn_w > allowed.available_w, 0.0, np.minimum(1.0, allowed.most_w / np.maximum(drawn_w, 1.0)))
    most = float((ths * share).sum(axis=2).max())
    at_target = np.interp(target, [1000.0, 2000.0, 4000.0], [20.0, 40.0, 60.0])  # off: below the lowest presets
    assert most_share(farm, ways, allowed) >= 100.0 * most / at_target.sum() - 1e-6


def test_where_nothing_has_to_move_the_bound_is_what_the_budget_and_its_band_give() -> None:
    target = np.full(60, 4000.0)
    farm = TrueFarm([STEPS, STEPS, STEPS])
    found = most_share(farm, [SLOW] * 3, Limits(target, target, target + 500.0, target / 0.9))
    assert found == pytest.approx(100.0 * (70 + 500 * 0.01) / 70, abs=0.5)


def test_how_miners_come_up() -> None:
    timing = Timing(dip_s=2.0, ramp_s=4.0, quick_window_s=3.0)
    assert Way.of("restart", timing) == Way((0.0, 0.0, 0.125, 0.375, 0.625, 0.875), free=False)
    assert Way.of("recent", timing) == Way((0.0, 0.0, 0.125), free=True)
    assert Way.of("quick", timing) == Way((0.0, 0.0), free=True)


@pytest.mark.parametrize(
    "targets, highest",
    [
        ((100, 100, 60, 60), (100, 100, 60, 60)),  # a fall binds at once
        ((100, 60, 100, 100, 100), (100, 60, 60, 80, 100)),  # back: after two readings, in two tenths
        ((90, 90, 90, 95, 95, 95), (90, 90, 90, 90, 90, 95)),  # within 7 %: after the window
    ],
)
def test_the_rule_of_when_to_raise(targets: tuple[float, ...], highest: tuple[float, ...]) -> None:
    rule = Settings(raise_window_readings=3, fast_raise_percent=7.0, raise_step_percent=10.0)
    assert by_the_rule(targets, 100.0, rule) == pytest.approx(highest)


def test_each_rule_leaves_less() -> None:
    short = Scenario("short", ((0, 0.9), (20, 0.9), (20, 0.4), (90, 0.4), (90, 0.9), (300, 0.9)))
    farm = LiveFarm.of(short, 6, seed=3, topology="foreign", margin_percent=10.0, base_ip="127.190.0.1")
    found = of_scenario(farm)
    assert found.foresight > found.counted > found.raising > found.starting > 30.0
