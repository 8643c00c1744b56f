"""The formula of the available power in numbers: as it is, and with other roles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core.formula import Books, MeterLoad, drawn_twice_kw, formula
from app.core.plant import CountedSource
from app.core.readings import SourceKind, SourceRole
from app.core.types import Settings

FOREIGN, MINERS = SourceRole.FOREIGN, SourceRole.MINERS
BOOKS = Books(managed_kw=800.0, unmanaged_kw=100.0, overhead_kw=30.0)


def load(role: SourceRole, kw: float) -> CountedSource:
    return CountedSource("C", SourceKind.CONSUMPTION, role, kw, "success", kw, good=True)


@pytest.mark.parametrize(
    ("loads", "books", "overhead_kw", "available_kw"),
    [
        ([], Books(), 0.0, 3000.0),
        ([load(FOREIGN, 40.0)], Books(), 0.0, 2960.0),  # the plain rule: generation - container consumption
        ([load(FOREIGN, 40.0)], BOOKS, 0.0, 2860.0),  # no meter contains the miners: no overhead, whatever was
        ([load(FOREIGN, 40.0), load(MINERS, 950.0)], BOOKS, 30.0, 2830.0),  # the balancer's own overhead
        ([load(MINERS, 950.0)], replace(BOOKS, overhead_kw=None), 50.0, 2850.0),  # estimated: 950 - 800 - 100
        ([load(MINERS, 500.0)], replace(BOOKS, overhead_kw=None), 0.0, 2900.0),  # never negative
        ([load(FOREIGN, 3500.0)], Books(), 0.0, -500.0),
    ],
)
def test_it_subtracts_what_the_roles_say(
    loads: list[CountedSource], books: Books, overhead_kw: float, available_kw: float
) -> None:
    found = formula(3000.0, loads, books, Settings())
    assert (found.overhead_kw, found.available_kw) == (overhead_kw, available_kw)


def test_it_tells_an_estimated_overhead_from_the_balancers_own() -> None:
    meters = [load(MINERS, 950.0)]
    assert formula(3000.0, meters, replace(BOOKS, overhead_kw=None), Settings()).overhead_estimated
    assert not formula(3000.0, meters, BOOKS, Settings()).overhead_estimated
    assert not formula(3000.0, [load(FOREIGN, 1.0)], replace(BOOKS, overhead_kw=None), Settings()).overhead_estimated


def test_unmanaged_miners_are_subtracted_only_where_the_setting_says_so() -> None:
    found = formula(3000.0, [], BOOKS, replace(Settings(), count_unmanaged=False))
    assert (found.available_kw, found.unmanaged_kw, found.subtracted_unmanaged_kw) == (3000.0, 100.0, 0.0)


@pytest.mark.parametrize(
    ("limit_kw", "foreign_kw", "target_kw"), [(None, 0.0, 2700.0), (2000.0, 0.0, 2000.0), (None, 4000.0, 0.0)]
)
def test_the_target_follows_from_margin_and_limit(limit_kw: float | None, foreign_kw: float, target_kw: float) -> None:
    found = formula(3000.0, [load(FOREIGN, foreign_kw)], Books(), replace(Settings(), farm_limit_kw=limit_kw))
    assert found.target_kw == pytest.approx(target_kw)


def foreign(kw: float, *, apart: bool = False) -> MeterLoad:
    return MeterLoad(FOREIGN, kw, apart)


@pytest.mark.parametrize(
    ("generation_kw", "meters", "managed_kw", "unmanaged_kw", "drawn_kw"),
    [
        (252.0, [foreign(232.5), foreign(15.5)], 100.0, 126.0, 474.0),  # the containers' meters, and nobody said so
        (252.0, [MeterLoad(MINERS, 232.5), foreign(15.5)], 100.0, 126.0, None),  # said
        (252.0, [MeterLoad(MINERS, 120.0), foreign(128.0)], 100.0, 126.0, 354.0),  # said of one of two
        (252.0, [foreign(25.0)], 100.0, 126.0, None),  # what else there is
        (252.0, [foreign(50.0)], 227.0, 0.0, None),  # 277: within a tenth, as readings seconds apart may be
        (252.0, [foreign(112.0)], 100.0, 126.0, None),  # too low to contain them all, whatever is drawn
        (252.0, [foreign(113.0)], 100.0, 126.0, 339.0),
        (252.0, [foreign(248.0, apart=True)], 226.0, 0.0, None),  # the meter check has seen that it does not follow
        (252.0, [foreign(200.0), foreign(48.0, apart=True)], 226.0, 0.0, 474.0),
        (252.0, [foreign(300.0)], 226.0, 0.0, None),  # the others alone draw more: the plant imports, or the river fell
        (252.0, [foreign(248.0)], 0.0, 0.0, None),
        (0.0, [foreign(5.0)], 3.0, 0.0, None),  # an outage
        (0.0, [], 226.0, 0.0, None),
    ],
)
def test_more_drawn_than_generated_asks_whether_a_meter_contains_the_miners(
    generation_kw: float, meters: list[MeterLoad], managed_kw: float, unmanaged_kw: float, drawn_kw: float | None
) -> None:
    books = Books(managed_kw=managed_kw, unmanaged_kw=unmanaged_kw)
    assert drawn_twice_kw(generation_kw, meters, books, counts_unmanaged=True) == drawn_kw


def test_unmanaged_miners_that_are_known_to_be_in_a_meter_are_not_counted_twice_here_either() -> None:
    books = Books(managed_kw=200.0, unmanaged_kw=300.0)
    assert drawn_twice_kw(550.0, [foreign(300.0)], books, counts_unmanaged=True) == 800.0
    assert drawn_twice_kw(550.0, [foreign(300.0)], books, counts_unmanaged=False) is None
