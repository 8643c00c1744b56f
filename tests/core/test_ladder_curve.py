"""The shape of a ladder: gains, the hull, and numbers that look like slips."""

from __future__ import annotations

import pytest

from app.core.ladder_curve import Point, curve, far_off


def points(*pairs: tuple[float, float]) -> list[Point]:
    return [Point(f"{power_w:g}", power_w, ths) for power_w, ths in pairs]


def test_a_preset_below_the_hull_is_never_the_best() -> None:
    rungs = curve(points((1000, 50), (1500, 55), (2000, 90)))
    assert [rung.best for rung in rungs] == [True, False, True]
    assert [rung.ths_per_kw for rung in rungs] == [None, 10.0, 70.0]
    assert [rung.hull_ths for rung in rungs] == [50, 70, 90]


def test_presets_come_by_watts_whatever_their_order() -> None:
    assert [rung.point.power_w for rung in curve(points((3, 3), (1, 1), (2, 2.5)))] == [1, 2, 3]


def test_a_preset_that_takes_more_and_hashes_less_lies_beyond_the_hull() -> None:
    last = curve(points((1000, 50), (2000, 90), (3000, 80)))[-1]
    assert (last.best, last.hull_ths, last.ths_per_kw) == (False, None, -10.0)


def test_of_two_presets_with_equal_watts_only_the_better_can_be_the_best() -> None:
    rungs = curve([Point("slow", 1000, 40), Point("fast", 1000, 50), Point("top", 2000, 90)])
    assert [(rung.point.name, rung.best) for rung in rungs] == [("fast", True), ("slow", False), ("top", True)]
    assert rungs[1].ths_per_kw is None


@pytest.mark.parametrize("pairs", [(), ((1000, 50),), ((1000, 0), (2000, 0))])
def test_a_ladder_of_one_or_none_has_its_shape_too(pairs: tuple[tuple[float, float], ...]) -> None:
    assert [rung.best for rung in curve(points(*pairs))][:1] == [True][: len(pairs)]


@pytest.mark.parametrize(
    ("own", "firmware", "far"),
    [
        (None, 2300, False),
        (2300, None, False),
        (2350, 2300, False),
        (230, 2300, True),
        (3100, 2300, True),
        (1, 0, False),
    ],
)
def test_a_number_far_from_the_firmwares_looks_like_a_slip(own: float, firmware: float, far: bool) -> None:
    assert far_off(own, firmware) is far
